#include "tests/support/sparse_checkpoint.h"

#include <fmt/format.h>
#include <stdlib.h>

#include <filesystem>
#include <stdexcept>

namespace conclave {

namespace fs = std::filesystem;

SparseCheckpoint::SparseCheckpoint(const std::string& model, int shards, const std::string& edits)
    : shards_(shards) {
  const char* root = std::getenv("CONCLAVE_SOURCE_DIR");
  if (root == nullptr) throw std::runtime_error("CONCLAVE_SOURCE_DIR is not set; run with ctest");
  std::string pattern = (fs::temp_directory_path() / "conclave-sparse-XXXXXX").string();
  if (mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("cannot create " + pattern);
  dir_ = pattern;
  const std::string support = std::string(root) + "/tests/support";
  const std::string command =
      fmt::format("python3 '{0}/sparse_checkpoint.py' '{0}/configs/{1}.json' '{2}' {3} {4}",
                  support, model, dir_, shards, edits);
  if (std::system(command.c_str()) != 0) {
    fs::remove_all(dir_);
    throw std::runtime_error("failed: " + command);
  }
}

SparseCheckpoint::~SparseCheckpoint() {
  std::error_code ignored;
  fs::remove_all(dir_, ignored);
}

std::string SparseCheckpoint::Shard(int number) const {
  return fmt::format("{}/model-{:05}-of-{:06}.safetensors", dir_, number, shards_);
}

}  // namespace conclave
