#include "common/engine/forward.h"

#include <gmock/gmock.h>

#include <cmath>

#include "tests/unit/common/engine/small_model.h"

namespace conclave {
namespace {

using testing::HasSubstr;

struct Variant {
  const char* model;
  ComputeMode mode;
  KvFormat format = KvFormat::kMode;
};

class ForwardBits : public testing::TestWithParam<Variant> {
 protected:
  std::shared_ptr<const Model> model() const {
    return SmallModel(GetParam().model, GetParam().mode);
  }
  KvFormat format() const { return GetParam().format; }
  int64_t vocab() const { return model()->config().vocab_size; }
};

TEST_P(ForwardBits, DoNotDependOnChunksOrThreads) {
  const std::vector<TokenId> tokens = RandomTokens(150, 1);
  Engine plain(model(), 1, 32, format());
  const std::vector<float> expected = plain.Prefill(tokens, Pages(0, 3), 150);
  for (int threads : {1, 2}) {
    Engine engine(model(), threads, 32, format());
    for (int chunk : {1, 16, 64, 100, 150}) {
      EXPECT_EQ(engine.Prefill(tokens, Pages(3, 3), chunk), expected)
          << chunk << " tokens, " << threads << " threads";
    }
  }
}

TEST_P(ForwardBits, DoNotDependOnTheOtherSequences) {
  const std::vector<TokenId> a = RandomTokens(70, 2), b = RandomTokens(33, 3),
                             c = RandomTokens(5, 4), d = RandomTokens(128, 5);
  Engine alone(model(), 1, 32, format());
  const std::vector<float> a_logits = alone.Prefill(a, Pages(0, 2), 70),
                           c_logits = alone.Prefill(c, Pages(2, 1), 5);

  Engine engine(model(), 2, 32, format());
  const std::vector<int32_t> pa = {9, 4}, pb = {7}, pc = {2}, pd = {0, 1};
  const SequenceChunk together[] = {{.tokens = b, .pages = pb, .all_logits = true},
                                    {.tokens = a, .pages = pa, .all_logits = true},
                                    {.tokens = d, .pages = pd, .want_logits = false},
                                    {.tokens = c, .pages = pc, .all_logits = true}};
  const auto result = engine.forward.Step(together, {});
  ASSERT_TRUE(result.ok()) << result.status();
  ASSERT_EQ(result->rows, 33 + 70 + 5);
  const auto rows = [&](int begin, int count) {
    return std::vector<float>(result->logits.begin() + begin * vocab(),
                              result->logits.begin() + (begin + count) * vocab());
  };
  EXPECT_EQ(rows(33, 70), a_logits);
  EXPECT_EQ(rows(103, 5), c_logits);
}

// Generated tokens: one at a time, four sequences a step and a prompt beside them, against the same
// tokens computed again in one piece.
TEST_P(ForwardBits, DecodeEqualsReplay) {
  Engine engine(model(), 2, 32, format());
  constexpr int kGenerated = 12;
  std::vector<std::vector<TokenId>> sequences;
  std::vector<std::vector<int32_t>> pages;
  std::vector<std::vector<float>> expected;
  std::vector<int> at(4);
  for (int s = 0; s < 4; ++s) {
    sequences.push_back(RandomTokens(60 + 7 * s, 10 + s));
    at[s] = static_cast<int>(sequences[s].size()) - kGenerated;
    const std::span<const TokenId> tokens(sequences[s]);
    Engine other(model(), 1, 32, format());
    other.Prefill(tokens.first(at[s]), Pages(0, 2), 1000);
    expected.push_back(
        other.Prefill(tokens.subspan(at[s]), Pages(0, 2), 1000, at[s], RowKind::kGenerated));
    pages.push_back(Pages(2 * s, 2));
    engine.Prefill(tokens.first(at[s]), pages[s], 16);
  }
  const std::vector<TokenId> prompt = RandomTokens(kGenerated * 9, 20);
  const std::vector<float> prompt_logits =
      Engine(model(), 1, 32, format()).Prefill(prompt, Pages(0, 2), 1000);
  const std::vector<int32_t> prompt_pages = Pages(8, 2);
  for (int step = 0; step < kGenerated; ++step) {
    std::vector<SequenceChunk> chunks;
    for (int s = 0; s < 4; ++s) {
      if (s == 2) {
        chunks.push_back({.tokens = std::span(prompt).subspan(step * 9, 9),
                          .start = step * 9,
                          .pages = prompt_pages});
      }
      chunks.push_back({.tokens = {&sequences[s][at[s] + step], 1},
                        .start = at[s] + step,
                        .pages = pages[s],
                        .kind = RowKind::kGenerated});
    }
    const auto result = engine.forward.Step(chunks, {});
    ASSERT_TRUE(result.ok()) << result.status();
    const auto same = [&](int row, const std::vector<float>& logits, int from) {
      const auto want = logits.begin() + from * vocab();
      return std::equal(want, want + vocab(), result->logits.begin() + row * vocab());
    };
    for (int s = 0; s < 4; ++s)
      EXPECT_TRUE(same(s < 2 ? s : s + 1, expected[s], step)) << "sequence " << s;
    EXPECT_TRUE(same(2, prompt_logits, step * 9 + 8)) << "the prompt";
  }
}

// Contexts of several splits, which threads compute apart: one row, and rows of several lengths
// whose splits are more than threads have room for at once.
TEST_P(ForwardBits, LongContextsAreSplitAlike) {
  const std::vector<TokenId> tokens = RandomTokens(2100, 6);
  const std::vector<int32_t> pages = Pages(0, 33);
  Engine two(model(), 2, 40, format());
  two.Prefill(tokens, pages, 256);
  ThreadPool single(1);
  LocalExperts experts(model(), single);
  Forward one(model(), *two.cache, single, experts);
  std::vector<SequenceChunk> rows;
  for (const int position : {2099, 1500, 700, 1900})
    rows.push_back({.tokens = {&tokens[position], 1},
                    .start = position,
                    .pages = pages,
                    .kind = RowKind::kGenerated});
  for (size_t count : {1, 4}) {
    const auto expected = one.Step(std::span(rows).first(count), {});
    ASSERT_TRUE(expected.ok()) << expected.status();
    const auto split = two.forward.Step(std::span(rows).first(count), {});
    ASSERT_TRUE(split.ok()) << split.status();
    EXPECT_EQ(split->logits, expected->logits) << count << " rows";
  }
}

// Chunks as large as serving cuts them: several pages and query tiles, GEMMs of hundreds of rows
// and of one. Decoding beside each other, in steps of one row, is covered by DecodeEqualsReplay.
class LongChunks : public ForwardBits {};

TEST_P(LongChunks, DoNotShow) {
  constexpr int kTokens = 530, kPages = 9;
  const std::vector<TokenId> tokens = RandomTokens(kTokens, 7);
  Engine engine(model(), 1, 4 * kPages, format()), two(model(), 2, 4 * kPages, format());
  const std::vector<float> expected = engine.Prefill(tokens, Pages(0, kPages), kTokens);
  for (int chunk : {1, 16, 64, 512}) {
    EXPECT_EQ(two.Prefill(tokens, Pages(kPages, kPages), chunk), expected)
        << chunk << " tokens, 2 threads";
    if (chunk == 1) continue;  // a row alone seldom reaches a second thread
    EXPECT_EQ(engine.Prefill(tokens, Pages(kPages, kPages), chunk), expected)
        << chunk << " tokens, 1 thread";
  }
  // The second half beside other sequences: a prompt, and one that generates.
  const std::vector<TokenId> other = RandomTokens(200, 8);
  const std::vector<int32_t> pages = Pages(0, kPages), other_pages = Pages(2 * kPages, 4),
                             decode_pages = Pages(3 * kPages, 1);
  const std::vector<float> other_logits = engine.Prefill(other, other_pages, 200);
  two.Prefill(std::span(tokens).first(300), pages, 300);
  two.Prefill(std::span(other).first(9), decode_pages, 9);
  const SequenceChunk together[] = {
      {.tokens = other, .pages = other_pages},
      {.tokens = {&other[9], 1}, .start = 9, .pages = decode_pages, .kind = RowKind::kGenerated},
      {.tokens = std::span(tokens).subspan(300), .start = 300, .pages = pages, .all_logits = true}};
  const auto mixed = two.forward.Step(together, {});
  ASSERT_TRUE(mixed.ok()) << mixed.status();
  ASSERT_EQ(mixed->rows, 2 + kTokens - 300);
  const auto row = [&](int index) { return mixed->logits.begin() + index * vocab(); };
  EXPECT_TRUE(std::equal(row(0), row(1), other_logits.end() - vocab()));
  EXPECT_TRUE(std::equal(row(2), mixed->logits.end(), expected.begin() + 300 * vocab()));
}

constexpr Variant kLongVariants[] = {{"deepseek_v2-lite", ComputeMode::kF32},
                                     {"deepseek_v2-lite", ComputeMode::kBF16},
                                     {"deepseek_v2-lite", ComputeMode::kInt8},
                                     {"deepseek_v2", ComputeMode::kBF16},
                                     {"deepseek_v3-fp8-yarn", ComputeMode::kInt8},
                                     {"deepseek_v3-fp8-yarn", ComputeMode::kW8A8},
                                     {"qwen2-tied", ComputeMode::kF32},
                                     {"qwen2-tied", ComputeMode::kBF16},
                                     {"qwen2-tied", ComputeMode::kInt8},
                                     {"qwen2-tied", ComputeMode::kW8A8}};

constexpr Variant kVariants[] = {{"deepseek_v3-bf16", ComputeMode::kF32},
                                 {"deepseek_v3-bf16", ComputeMode::kBF16},
                                 {"deepseek_v3-fp8-yarn", ComputeMode::kF32},
                                 {"deepseek_v3-fp8-yarn", ComputeMode::kBF16},
                                 {"deepseek_v2-lite", ComputeMode::kBF16},
                                 {"deepseek_v2", ComputeMode::kF32},
                                 {"llama-rope3", ComputeMode::kF32},
                                 {"llama-gqa", ComputeMode::kBF16},
                                 {"qwen2-tied", ComputeMode::kF32},
                                 {"qwen2-tied", ComputeMode::kBF16},
                                 {"deepseek_v3-bf16", ComputeMode::kInt8},
                                 {"deepseek_v3-fp8-yarn", ComputeMode::kInt8},
                                 {"deepseek_v3-fp8-yarn", ComputeMode::kW8A8},
                                 {"deepseek_v2", ComputeMode::kInt8},
                                 {"llama-gqa", ComputeMode::kInt8},
                                 {"deepseek_v2-lite", ComputeMode::kF32, KvFormat::kFp8},
                                 {"deepseek_v3-fp8-yarn", ComputeMode::kBF16, KvFormat::kFp8},
                                 {"deepseek_v2-lite", ComputeMode::kBF16, KvFormat::kBf16},
                                 {"deepseek_v3-bf16", ComputeMode::kF32, KvFormat::kBf16}};
std::string VariantName(const testing::TestParamInfo<Variant>& info) {
  std::string name =
      std::string(info.param.model) + "_" + std::string(ComputeModeName(info.param.mode));
  if (info.param.format != KvFormat::kMode)
    name += "_" + std::string(KvFormatName(info.param.format)) + "_kv";
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}
INSTANTIATE_TEST_SUITE_P(All, ForwardBits, testing::ValuesIn(kVariants), VariantName);
INSTANTIATE_TEST_SUITE_P(All, LongChunks, testing::ValuesIn(kLongVariants), VariantName);

class ForwardInput : public testing::Test {
 protected:
  Engine engine_{SmallModel("deepseek_v3-bf16", ComputeMode::kF32), 1, 4};
  std::vector<TokenId> tokens_ = RandomTokens(3, 1);
  std::vector<int32_t> pages_ = {0};

  std::string Error(SequenceChunk chunk) {
    const auto result = engine_.forward.Step({&chunk, 1}, {});
    EXPECT_EQ(result.status().code(), absl::StatusCode::kInvalidArgument) << result.status();
    return Message(result.status());
  }
};

TEST_F(ForwardInput, OutOfRangeIsNamed) {
  const std::vector<TokenId> high = {1, 512}, low = {-1};
  const std::vector<int32_t> far = {4}, below = {-1};
  EXPECT_THAT(Error({.tokens = high, .pages = pages_}), HasSubstr("token 512 at position 1"));
  EXPECT_THAT(Error({.tokens = low, .pages = pages_}), HasSubstr("token -1"));
  EXPECT_THAT(Error({.tokens = tokens_, .pages = far}),
              HasSubstr("page 4 lies outside the cache of 4 pages"));
  EXPECT_THAT(Error({.tokens = tokens_, .pages = below}), HasSubstr("page -1"));
  EXPECT_THAT(Error({.tokens = tokens_, .start = -1, .pages = pages_}),
              HasSubstr("positions -1..1"));
  EXPECT_THAT(Error({.tokens = tokens_, .start = 4094, .pages = pages_}),
              HasSubstr("context of 4096"));
  EXPECT_THAT(Error({.tokens = tokens_, .start = 62, .pages = pages_}),
              HasSubstr("1 KV pages for 65 tokens, 2 are needed"));
  EXPECT_THAT(Error({.pages = pages_}), HasSubstr("no tokens"));
  EXPECT_EQ(engine_.forward.Step({}, {}).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(ForwardInput, APassedDeadlineEndsTheStep) {
  const SequenceChunk chunk{.tokens = tokens_, .pages = pages_};
  const auto result =
      engine_.forward.Step({&chunk, 1}, {.deadline = Now() - std::chrono::seconds(1)});
  EXPECT_EQ(result.status().code(), absl::StatusCode::kDeadlineExceeded);
}

TEST_F(ForwardInput, LayerKvIsCompleteWhenAnnounced) {
  const SequenceChunk chunk{.tokens = tokens_, .pages = pages_};
  std::vector<int> layers;
  std::vector<std::vector<float>> seen;
  const int width = engine_.cache->width();
  const auto read = [&](int layer) {
    const float* kv = reinterpret_cast<const float*>(engine_.cache->PageLayer(0, layer));
    return std::vector<float>(kv, kv + 3 * width);
  };
  const auto result = engine_.forward.Step({&chunk, 1}, {.on_layer_kv = [&](int layer) {
                                             layers.push_back(layer);
                                             seen.push_back(read(layer));
                                           }});
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_THAT(layers, testing::ElementsAre(0, 1, 2, 3, 4));
  for (int layer = 0; layer < 5; ++layer) {
    EXPECT_EQ(seen[layer], read(layer));
    EXPECT_NE(seen[layer], std::vector<float>(3 * width, 0.0f));
  }
}

TEST_F(ForwardInput, OnlyWantedRowsComeBack) {
  const SequenceChunk last{.tokens = tokens_, .pages = pages_},
      none{.tokens = tokens_, .pages = pages_, .want_logits = false};
  EXPECT_EQ(engine_.forward.Step({&last, 1}, {})->rows, 1);
  const auto silent = engine_.forward.Step({&none, 1}, {});
  ASSERT_TRUE(silent.ok());
  EXPECT_EQ(silent->rows, 0);
  EXPECT_TRUE(silent->logits.empty());
}

TEST_F(ForwardInput, RecycledMemoryHoldsOnlyTheNewResult) {
  const SequenceChunk all{.tokens = tokens_, .pages = pages_, .all_logits = true},
      last{.tokens = tokens_, .pages = pages_};
  const auto expected = engine_.forward.Step({&last, 1}, {});
  ASSERT_TRUE(expected.ok());
  auto larger = engine_.forward.Step({&all, 1}, {});
  ASSERT_TRUE(larger.ok());
  ASSERT_GT(larger->rows, 1);
  const float* memory = larger->logits.data();
  engine_.forward.Recycle(*std::move(larger));
  const auto again = engine_.forward.Step({&last, 1}, {});
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(again->logits.data(), memory);
  EXPECT_EQ(again->rows, 1);
  EXPECT_EQ(again->logits, expected->logits);
  EXPECT_EQ(again->hidden, expected->hidden);
}

// An error of the experts is the step's error, as it came.
class FailingExperts : public ExpertBackend {
 public:
  absl::StatusOr<std::unique_ptr<ExpertCall>> Dispatch(const RoutedRows& rows, float*) override {
    return Unavailable("no replica of layer {}", rows.layer);
  }
};

TEST_F(ForwardInput, ErrorsOfTheExpertsComeThrough) {
  FailingExperts failing;
  Forward forward(engine_.model, *engine_.cache, engine_.pool, failing);
  const SequenceChunk chunk{.tokens = tokens_, .pages = pages_};
  const auto result = forward.Step({&chunk, 1}, {});
  EXPECT_EQ(result.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(Message(result.status()), "no replica of layer 2");
}

TEST(Forward, RefusesAModelWithoutAttentionAndACacheOfAnotherMode) {
  const auto experts_only =
      Model::Load(GoldenDir("deepseek_v3-bf16"), {.mode = ComputeMode::kF32, .attention = false});
  ASSERT_TRUE(experts_only.ok()) << experts_only.status();
  const std::vector<TokenId> tokens = {1};
  const std::vector<int32_t> pages = {0};
  const SequenceChunk chunk{.tokens = tokens, .pages = pages};
  Engine bare(*experts_only);
  EXPECT_EQ(bare.forward.Step({&chunk, 1}, {}).status().code(),
            absl::StatusCode::kFailedPrecondition);

  Engine engine(SmallModel("deepseek_v3-bf16", ComputeMode::kF32));
  const auto other = KvCache::Create(engine.model->config(), ComputeMode::kBF16, 1);
  Forward mismatched(engine.model, **other, engine.pool, engine.experts);
  EXPECT_EQ(mismatched.Step({&chunk, 1}, {}).status().code(),
            absl::StatusCode::kFailedPrecondition);
}

}  // namespace
}  // namespace conclave
