// The bundled model's tokenizer, chat format and configuration.
#pragma once

#include <cstdlib>
#include <string>

#include "services/router/model_assets.h"

namespace conclave {

inline std::string TestModelDir() {
  const char* root = std::getenv("CONCLAVE_SOURCE_DIR");
  return std::string(root == nullptr ? "." : root) + "/deploy/model";
}

// Loaded once per binary; aborts when it cannot be.
inline const ModelAssets& TestModel() {
  static const auto* model = [] {
    auto loaded = LoadModelAssets(TestModelDir(), "test-model");
    return loaded.ok() ? std::move(loaded).value().release() : nullptr;
  }();
  if (model == nullptr) std::abort();
  return *model;
}

inline std::vector<TokenId> Encode(const std::string& text) {
  return TestModel().tokenizer->Encode(text).value();
}

}  // namespace conclave
