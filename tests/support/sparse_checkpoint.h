// Checkpoints of released models with their real names, shapes, dtypes and shards, whose data are
// holes of sparse files: sparse_checkpoint.py writes them.
#pragma once

#include <string>

namespace conclave {

// A folder of its own with such a checkpoint, removed at the end.
class SparseCheckpoint {
 public:
  // `model`: a file of tests/support/configs without .json. `edits`: flags of the script. Throws
  // std::runtime_error when the script fails, so that the test does.
  SparseCheckpoint(const std::string& model, int shards, const std::string& edits = "");
  ~SparseCheckpoint();
  SparseCheckpoint(const SparseCheckpoint&) = delete;
  const std::string& dir() const { return dir_; }
  std::string Shard(int number) const;  // the file's path, counted from 1

 private:
  std::string dir_;
  int shards_;
};

}  // namespace conclave
