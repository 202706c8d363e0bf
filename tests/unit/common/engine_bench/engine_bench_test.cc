#include "common/engine_bench/engine_bench.h"

#include <gtest/gtest.h>

#include <cmath>

#include "common/engine_bench/bench_shapes.h"
#include "common/engine_bench/model_cost.h"
#include "common/engine_bench/roofline_plot.h"
#include "common/model/random_checkpoint.h"
#include "kernels/peak/peak.h"

namespace conclave {
namespace {

TEST(BenchShapes, HaveTheProportionsThatTheirNamesPromise) {
  for (std::string_view name : BenchShapeNames()) EXPECT_TRUE(BenchShape(name).ok()) << name;
  const auto unknown = BenchShape("v4");
  ASSERT_FALSE(unknown.ok());
  EXPECT_NE(unknown.status().message().find("v2lite-slice"), std::string::npos);
}

TEST(ModelCost, OfTheTinyShape) {
  const auto model = RandomModel("tiny", {.mtp = false});
  ASSERT_TRUE(model.ok()) << model.status();
  const ModelCost cost = ModelCost::Of(**model);
  EXPECT_NEAR(cost.linear_macs / 1e6, 26.87, 0.05);
  // 96 + 64 channels of 8 heads in 8 layers.
  EXPECT_EQ(cost.attention_macs, 160 * 8 * 8);
  EXPECT_EQ(cost.kv_bytes, 160 * 2 * 8);
  // One row touches 4 of 32 experts, very many rows all of them.
  EXPECT_NEAR(cost.BytesPerRow(1, 0), cost.dense_bytes + cost.expert_bytes / 8, 1);
  EXPECT_NEAR(cost.BytesPerRow(1000, 0) * 1000, cost.dense_bytes + cost.expert_bytes, 1);
  EXPECT_EQ(cost.BytesPerRow(1, 100) - cost.BytesPerRow(1, 0), 100 * cost.kv_bytes);
}

TEST(RandomCheckpoint, AnswersByNameAndRefusesWhatIsTooLarge) {
  const RandomCheckpoint checkpoint(64 * 64);
  const auto a = checkpoint.Get("model.layers.0.self_attn.o_proj.weight", {64, 64}),
             again = checkpoint.Get("model.layers.0.self_attn.o_proj.weight", {64, 64}),
             head = checkpoint.Get("lm_head.weight", {64, 64}),
             norm = checkpoint.Get("model.norm.weight", {64});
  ASSERT_TRUE(a.ok() && again.ok() && head.ok() && norm.ok());
  EXPECT_EQ(a->type, TensorType::kF8E4M3);
  EXPECT_EQ(a->data, again->data);
  EXPECT_EQ(head->type, TensorType::kBF16);
  EXPECT_EQ(head->bytes, 64 * 64 * 2);
  EXPECT_EQ(reinterpret_cast<const float*>(norm->data)[63], 1.0f);
  for (int64_t i = 0; i < a->bytes; ++i) ASSERT_NE(a->data[i] & 0x7f, 0x7f);
  EXPECT_FALSE(checkpoint.Get("lm_head.weight", {65, 64}).ok());
}

TEST(BenchEngine, ReportsEveryLineAgainstMeasuredLimits) {
  EngineBenchRequest request{.shape = "tiny",
                             .threads = 2,
                             .contexts = {0, 64},
                             .batches = {3},
                             .prefill_tokens = 16,
                             .seconds = 0.05};
  const auto report = BenchEngine(request);
  ASSERT_TRUE(report.ok()) << report.status();
  ASSERT_EQ(report->lines.size(), 4u);
  EXPECT_EQ(report->lines[1].what, "decode, batch 1, context 64");
  EXPECT_EQ(report->lines[3].what, "prefill 16, all logits");
  EXPECT_GE(report->rounds, 5);
  EXPECT_GT(report->limits.read_bytes_per_s, 0);
  EXPECT_GT(report->limits.float_macs_per_s, 0);
  EXPECT_EQ(report->limits.int16_dot_macs_per_s > 0,
            kernels::PeakSupported(kernels::PeakKind::kInt16Dot));
  EXPECT_EQ(report->lines[0].against_first, 1);
  for (const EngineBenchLine& line : report->lines) {
    EXPECT_GT(line.tokens_per_s, 0) << line.what;
    EXPECT_GT(line.bandwidth_share, 0) << line.what;
    EXPECT_TRUE(std::isfinite(line.compute_share)) << line.what;
  }
  const std::string plot = RooflinePlot("tiny", request.mode, *report);
  EXPECT_EQ(plot.rfind("<svg", 0), 0u);
  for (const EngineBenchLine& line : report->lines)
    EXPECT_NE(plot.find(line.what), std::string::npos);

  request.contexts = {1 << 20};
  EXPECT_FALSE(BenchEngine(request).ok());
}

}  // namespace
}  // namespace conclave
