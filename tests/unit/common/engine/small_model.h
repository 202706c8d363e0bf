// The small checkpoints of tests/golden, loaded once per binary, and sequences run through them.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <numeric>
#include <random>

#include "common/engine/forward.h"
#include "common/engine/local_experts.h"

namespace conclave {

inline std::string GoldenDir(const std::string& name) {
  const char* source = std::getenv("CONCLAVE_SOURCE_DIR");
  return std::string(source != nullptr ? source : ".") + "/tests/golden/models/" + name;
}

inline constexpr const char* kSmallModels[] = {"deepseek_v3-bf16", "deepseek_v3-fp8-yarn"};

inline std::shared_ptr<const Model> SmallModel(const std::string& name, ComputeMode mode) {
  static std::map<std::pair<std::string, ComputeMode>, std::shared_ptr<const Model>> loaded;
  auto& model = loaded[{name, mode}];
  if (model == nullptr) {
    auto result = Model::Load(GoldenDir(name), {.mode = mode});
    EXPECT_TRUE(result.ok()) << result.status();
    model = *std::move(result);
  }
  return model;
}

inline std::vector<TokenId> RandomTokens(int count, uint32_t seed, int vocab = 512) {
  std::mt19937 engine(seed);
  std::vector<TokenId> tokens(count);
  for (TokenId& token : tokens) token = static_cast<TokenId>(engine() % vocab);
  return tokens;
}

// A cache, a forward pass and local experts over one model.
struct Engine {
  std::shared_ptr<const Model> model;
  ThreadPool pool;
  LocalExperts experts;
  std::unique_ptr<KvCache> cache;
  Forward forward;

  explicit Engine(std::shared_ptr<const Model> m, int threads = 1, int pages = 32,
                  KvFormat format = KvFormat::kMode)
      : model(std::move(m)),
        pool(threads, 0),
        experts(model, pool),
        cache(*KvCache::Create(model->config(), model->mode(), pages, format)),
        forward(model, *cache, pool, experts) {}

  // All logits of `tokens` at positions start.., cut into chunks.
  std::vector<float> Prefill(std::span<const TokenId> tokens, std::span<const int32_t> pages,
                             int chunk, int start = 0, RowKind kind = RowKind::kPrompt) {
    std::vector<float> logits;
    for (size_t i = 0; i < tokens.size(); i += chunk) {
      const SequenceChunk piece{
          .tokens = tokens.subspan(i, std::min<size_t>(chunk, tokens.size() - i)),
          .start = start + static_cast<int>(i),
          .pages = pages,
          .kind = kind,
          .all_logits = true};
      const auto result = forward.Step({&piece, 1}, {});
      EXPECT_TRUE(result.ok()) << result.status();
      if (!result.ok()) return {};
      logits.insert(logits.end(), result->logits.begin(), result->logits.end());
    }
    return logits;
  }
};

inline std::vector<int32_t> Pages(int first, int count) {
  std::vector<int32_t> pages(count);
  std::iota(pages.begin(), pages.end(), first);
  return pages;
}

}  // namespace conclave
