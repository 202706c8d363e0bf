// A prompt's rows attend over expanded keys and values, generated rows over the latents themselves:
// one function up to rounding. So each is an oracle for the other over contexts of several pieces
// of what is expanded (256 tokens) and read (2048) at once, where golden prompts do not reach.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "tests/unit/common/engine/small_model.h"

namespace conclave {
namespace {

struct Form {
  const char* model;
  ComputeMode mode;
  double most;  // of the median row's rms difference; one wrong piece makes it 0.8
};

class AttentionForms : public testing::TestWithParam<Form> {};

TEST_P(AttentionForms, AgreeOverLongContexts) {
  constexpr int kTokens = 2304, kPages = kTokens / kPageTokens;
  const auto model = SmallModel(GetParam().model, GetParam().mode);
  const int64_t vocab = model->config().vocab_size;
  const std::vector<TokenId> tokens = RandomTokens(kTokens, 31);
  Engine engine(model, 2, kPages);
  const std::vector<float> prompt = engine.Prefill(tokens, Pages(0, kPages), 384);
  const std::vector<float> generated =
      engine.Prefill(tokens, Pages(0, kPages), 384, 0, RowKind::kGenerated);
  for (const auto& [begin, end] :
       {std::pair{0, 256}, std::pair{256, 1024}, std::pair{1024, 2048}, std::pair{2048, kTokens}}) {
    std::vector<double> differences;
    for (int64_t row = begin; row < end; ++row) {
      double sum = 0;
      for (int64_t i = row * vocab; i < (row + 1) * vocab; ++i)
        sum += std::pow(static_cast<double>(prompt[i]) - static_cast<double>(generated[i]), 2);
      differences.push_back(std::sqrt(sum / static_cast<double>(vocab)));
    }
    std::sort(differences.begin(), differences.end());
    EXPECT_LT(differences[differences.size() / 2], GetParam().most) << begin << " to " << end;
    EXPECT_GT(differences.back(), 0) << "both forms took the same way";
  }
}

INSTANTIATE_TEST_SUITE_P(Modes, AttentionForms,
                         testing::Values(Form{kSmallModels[0], ComputeMode::kF32, 1e-5},
                                         Form{kSmallModels[0], ComputeMode::kBF16, 0.05},
                                         Form{kSmallModels[0], ComputeMode::kInt8, 0.25},
                                         Form{kSmallModels[1], ComputeMode::kBF16, 0.05},
                                         Form{kSmallModels[1], ComputeMode::kW8A8, 0.25}),
                         [](const auto& info) {
                           return fmt::format("{}_{}", ComputeModeName(info.param.mode),
                                              info.index);
                         });

}  // namespace
}  // namespace conclave
