// `conclave inspect` on checkpoints of real size (sparse files) and on the golden ones.
#include "services/cli/commands/inspect.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <sstream>

#include "services/cli/commands/inspect_report.h"
#include "tests/support/sparse_checkpoint.h"

namespace conclave {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::Not;

struct Result {
  int status = 0;
  std::string out, err;
};

Result Inspected(InspectOptions options) {
  std::ostringstream out, err;
  Result result;
  result.status = RunInspect(options, out, err);
  result.out = out.str();
  result.err = err.str();
  return result;
}

// Figures that the models' publishers give, in billions.
struct Known {
  const char* model;
  int shards;
  int64_t tensors;
  double total, active, active_without_embedding;
};

class RealSize : public testing::TestWithParam<Known> {};

TEST_P(RealSize, IsCompleteAndHasThePublishedFigures) {
  const Known& known = GetParam();
  const SparseCheckpoint checkpoint(known.model, known.shards);
  const auto report = InspectCheckpoint(checkpoint.dir());
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_TRUE(report->ok());
  EXPECT_EQ(report->found_tensors, known.tensors);
  const ModelSize& size = report->size;
  const int64_t active = size.ActiveParameters(report->config);
  const int64_t embedding = size.main[static_cast<int>(ModelPart::kEmbedding)].parameters;
  EXPECT_NEAR(size.Parameters() / 1e9, known.total, 0.05);
  EXPECT_NEAR(active / 1e9, known.active, 0.05);
  EXPECT_NEAR((active - embedding) / 1e9, known.active_without_embedding, 0.05);
  EXPECT_EQ(size.Bytes(), report->found_bytes);
  const Result text = Inspected({.dir = checkpoint.dir()});
  EXPECT_EQ(text.status, 0);
  EXPECT_THAT(text.out, HasSubstr("complete"));
  EXPECT_THAT(text.out, Not(HasSubstr("PROBLEM")));
}

INSTANTIATE_TEST_SUITE_P(Models, RealSize,
                         testing::Values(Known{"deepseek_v3", 163, 91991, 671.03, 37.55, 36.63},
                                         Known{"deepseek_v2", 55, 29102, 235.74, 21.38, 20.86},
                                         Known{"deepseek_v2_lite", 4, 5291, 15.71, 2.66, 2.45},
                                         Known{"r1_distill_qwen_7b", 2, 339, 7.62, 7.62, 7.07},
                                         Known{"r1_distill_llama_8b", 2, 291, 8.03, 8.03, 7.50}),
                         [](const auto& info) { return std::string(info.param.model); });

TEST(Inspect, TellsWhatDeepseekV3Needs) {
  const SparseCheckpoint checkpoint("deepseek_v3", 163);
  const Result result = Inspected({.dir = checkpoint.dir(), .hosts = 8, .json = true});
  ASSERT_EQ(result.status, 0) << result.err;
  const json j = json::parse(result.out);
  EXPECT_EQ(j["model_type"], "deepseek_v3");
  EXPECT_EQ(j["context_tokens"], 163840);
  EXPECT_NEAR(j["parameters"]["mtp"].get<double>() / 1e9, 11.6, 0.1);
  // (512 + 64) values in each of 61 layers and the MTP layer; in fp8 512 + 4 * 4 + 128 bytes.
  EXPECT_EQ(j["kv_bytes_per_token"]["bf16"], 2 * 576 * 62);
  EXPECT_EQ(j["kv_bytes_per_token"]["f32"], 4 * 576 * 62);
  EXPECT_EQ(j["kv_bytes_per_token"]["fp8"], 656 * 62);
  // 59 layers of 256 experts of 3 * 2048 * 7168 bytes, and a float32 for each 128 x 128 of them.
  const int64_t expert = 3 * 2048 * 7168 + 3 * 16 * 56 * 4;
  EXPECT_EQ(j["needs"]["expert_host_bytes"], 59 * 256 * expert / 8);
  // All the rest once: the MTP layer's embedding and head are copies.
  EXPECT_EQ(j["needs"]["decode_bytes"].get<int64_t>(),
            j["bytes"].get<int64_t>() - 59 * 256 * expert - 2 * int64_t{129280} * 7168 * 2);
  int64_t parts = 0;
  for (const char* list : {"parts", "mtp_parts"})
    for (const json& part : j[list]) parts += part["bytes"].get<int64_t>();
  EXPECT_EQ(parts, j["bytes"].get<int64_t>());
}

TEST(Inspect, NamesWhatIsMissing) {
  const std::string name = "model.layers.7.mlp.experts.33.up_proj.weight";
  const SparseCheckpoint checkpoint("deepseek_v2_lite", 4, "--omit " + name);
  const Result result = Inspected({.dir = checkpoint.dir()});
  EXPECT_EQ(result.status, 1);
  EXPECT_THAT(result.out, HasSubstr("PROBLEM  missing: " + name +
                                    ", the configuration needs BF16 or F32 [1408, 2048]"));
}

TEST(Inspect, NamesAMissingScaleOfFp8Weights) {
  const std::string name = "model.layers.60.mlp.experts.255.down_proj.weight_scale_inv";
  const SparseCheckpoint checkpoint("deepseek_v3", 163, "--omit " + name);
  const Result result = Inspected({.dir = checkpoint.dir()});
  EXPECT_EQ(result.status, 1);
  EXPECT_THAT(result.out, HasSubstr("missing: " + name));
}

TEST(Inspect, NamesWhatIsExtra) {
  const SparseCheckpoint checkpoint("deepseek_v2_lite", 4,
                                    "--add model.layers.3.self_attn.rotary.sin");
  const Result result = Inspected({.dir = checkpoint.dir()});
  EXPECT_EQ(result.status, 1);
  EXPECT_THAT(result.out,
              HasSubstr("PROBLEM  extra: model.layers.3.self_attn.rotary.sin has BF16 [2, 3]"));
  const SparseCheckpoint old("deepseek_v2_lite", 4,
                             "--add model.layers.3.self_attn.rotary_emb.inv_freq");
  EXPECT_EQ(Inspected({.dir = old.dir()}).status, 0);
}

TEST(Inspect, NamesWhatHasAnotherShapeOrType) {
  const std::string name = "model.layers.9.self_attn.kv_b_proj.weight";
  const SparseCheckpoint shape("deepseek_v2_lite", 4, "--reshape " + name);
  const Result reshaped = Inspected({.dir = shape.dir()});
  EXPECT_EQ(reshaped.status, 1);
  EXPECT_THAT(reshaped.out, HasSubstr("PROBLEM  wrong shape: " + name +
                                      " has BF16 [8192, 512]; the configuration needs BF16 or F32 "
                                      "[4096, 512]"));
  const std::string bias = "model.layers.3.mlp.experts.0.gate_proj.weight_scale_inv";
  const SparseCheckpoint type(
      "deepseek_v3", 163,
      "--omit " + bias + " --retype " + "model.layers.3.mlp.experts.0.gate_proj.weight");
  EXPECT_EQ(Inspected({.dir = type.dir()}).status, 0) << "a weight in F32 needs no scales";
}

TEST(Inspect, NamesATruncatedAndAMissingShard) {
  const SparseCheckpoint truncated("deepseek_v2_lite", 4, "--truncate 3");
  const Result cut = Inspected({.dir = truncated.dir()});
  EXPECT_EQ(cut.status, 1);
  EXPECT_THAT(cut.out, HasSubstr(truncated.Shard(3)));
  EXPECT_THAT(cut.out, HasSubstr("15.71 B")) << "the sizes still come from the configuration";
  std::filesystem::remove(truncated.Shard(3));
  const Result gone = Inspected({.dir = truncated.dir()});
  EXPECT_EQ(gone.status, 1);
  EXPECT_THAT(gone.out, HasSubstr(truncated.Shard(3) + ": shard is missing"));
}

TEST(Inspect, GroupsLongListsAndNamesAllOnRequest) {
  const SparseCheckpoint checkpoint("deepseek_v2_lite", 4, "--only model.layers.1.");
  const Result grouped = Inspected({.dir = checkpoint.dir()});
  EXPECT_EQ(grouped.status, 1);
  EXPECT_THAT(grouped.out, HasSubstr("missing: model.layers.*.mlp.experts.*.gate_proj.weight (1600 "
                                     "tensors, the first model.layers.2.mlp.experts.0.gate_proj"));
  EXPECT_LT(std::count(grouped.out.begin(), grouped.out.end(), '\n'), 80);
  const Result all = Inspected({.dir = checkpoint.dir(), .all = true});
  EXPECT_THAT(all.out, HasSubstr("missing: model.layers.26.mlp.experts.63.down_proj.weight,"));
  EXPECT_GT(std::count(all.out.begin(), all.out.end(), '\n'), 5000);
  const json j = json::parse(Inspected({.dir = checkpoint.dir(), .json = true}).out);
  EXPECT_FALSE(j["ok"].get<bool>());
  int64_t counted = 0;
  for (const json& problem : j["problems"]) counted += problem["count"].get<int64_t>();
  EXPECT_EQ(counted, 5291 - 203);
}

// The engine loads these, so the inventory and the loader agree on them.
TEST(Inspect, FindsTheGoldenCheckpointsComplete) {
  const std::string root = std::string(std::getenv("CONCLAVE_SOURCE_DIR")) + "/tests/golden/models";
  int cases = 0;
  for (const auto& entry : std::filesystem::directory_iterator(root)) {
    if (!entry.is_directory()) continue;
    ++cases;
    const Result result = Inspected({.dir = entry.path().string()});
    EXPECT_EQ(result.status, 0) << result.out << result.err;
  }
  EXPECT_GE(cases, 2);
}

TEST(Inspect, SaysWhyAConfigurationIsUnusable) {
  const Result nothing = Inspected({.dir = "/nonexistent"});
  EXPECT_EQ(nothing.status, 1);
  EXPECT_THAT(nothing.err, HasSubstr("/nonexistent/config.json"));
}

}  // namespace
}  // namespace conclave
