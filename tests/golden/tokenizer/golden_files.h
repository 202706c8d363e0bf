// The files of this folder, as tests need them.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

#include "common/model/tokenizer.h"

namespace conclave::golden {

// Path below tests/golden/tokenizer. The source tree is CONCLAVE_SOURCE_DIR, else the one compiled
// from.
std::filesystem::path File(const std::string& name);
std::string ReadText(const std::filesystem::path& path);
// Decompresses a gzip file. Throws std::runtime_error, as the other functions do, so that a test
// fails.
std::string Gunzip(const std::filesystem::path& path);

const nlohmann::json& Cases();           // golden.json
const std::string& TokenizerJson();      // unpacked
const Tokenizer& DeepseekV3Tokenizer();  // loaded once

// A folder of its own that is removed at the end.
class TempDir {
 public:
  TempDir();
  ~TempDir();
  TempDir(const TempDir&) = delete;
  const std::filesystem::path& path() const { return path_; }
  void Write(const std::string& name, const std::string& content) const;

 private:
  std::filesystem::path path_;
};

}  // namespace conclave::golden
