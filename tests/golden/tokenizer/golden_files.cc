#include "tests/golden/tokenizer/golden_files.h"

#include <stdlib.h>
#include <zlib.h>

#include <fstream>
#include <iterator>
#include <memory>
#include <stdexcept>

namespace conclave::golden {

namespace fs = std::filesystem;

fs::path File(const std::string& name) {
  const char* root = std::getenv("CONCLAVE_SOURCE_DIR");
  fs::path base(root != nullptr && *root != '\0' ? root : CONCLAVE_COMPILED_SOURCE_DIR);
  return base / "tests/golden/tokenizer" / name;
}

std::string ReadText(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) throw std::runtime_error("cannot open " + path.string());
  return std::string(std::istreambuf_iterator<char>(in), {});
}

std::string Gunzip(const fs::path& path) {
  std::unique_ptr<gzFile_s, int (*)(gzFile)> file(gzopen(path.c_str(), "rb"), gzclose);
  if (file == nullptr) throw std::runtime_error("cannot open " + path.string());
  std::string text;
  char buffer[1 << 16];
  int got = 0;
  while ((got = gzread(file.get(), buffer, sizeof buffer)) > 0)
    text.append(buffer, static_cast<size_t>(got));
  if (got < 0) throw std::runtime_error("cannot decompress " + path.string());
  return text;
}

const nlohmann::json& Cases() {
  static const nlohmann::json cases = nlohmann::json::parse(ReadText(File("golden.json")));
  return cases;
}

const std::string& TokenizerJson() {
  static const std::string text = Gunzip(File("tokenizer.json.gz"));
  return text;
}

const Tokenizer& DeepseekV3Tokenizer() {
  static const std::unique_ptr<Tokenizer> tokenizer = [] {
    auto loaded = Tokenizer::Parse(TokenizerJson(), "tokenizer.json");
    if (!loaded.ok()) throw std::runtime_error(Message(loaded.status()));
    return std::move(loaded).value();
  }();
  return *tokenizer;
}

TempDir::TempDir() {
  std::string pattern = (fs::temp_directory_path() / "conclave-XXXXXX").string();
  if (mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("cannot create " + pattern);
  path_ = pattern;
}

TempDir::~TempDir() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

void TempDir::Write(const std::string& name, const std::string& content) const {
  std::ofstream out(path_ / name, std::ios::binary);
  out << content;
  if (!out.flush()) throw std::runtime_error("cannot write " + (path_ / name).string());
}

}  // namespace conclave::golden
