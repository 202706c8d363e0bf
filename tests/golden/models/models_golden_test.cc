// The engine against implementations independent of it (tests/golden/README.md).
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <sstream>

#include "common/engine/verify.h"
#include "services/cli/commands/verify.h"

namespace conclave {
namespace {

std::string CaseDir(const std::string& name) {
  return std::string(std::getenv("CONCLAVE_SOURCE_DIR")) + "/tests/golden/models/" + name;
}

constexpr const char* kCases[] = {
    "deepseek_v3-bf16", "deepseek_v3-fp8-yarn", "deepseek_v2-lite", "deepseek_v2",
    "llama-gqa",        "llama-rope3",          "qwen2-untied",     "qwen2-tied"};

// Logits, hidden, two of KV, three of routers, three of greedy decoding and the chunks; routers
// only with experts, the MTP layer's seven only in V3. In bf16 rows of logits, decoding and the
// chunks.
int Lines(const std::string& name, ComputeMode mode) {
  const bool mtp = name.starts_with("deepseek_v3"), experts = name.starts_with("deepseek");
  if (mode == ComputeMode::kF32) return mtp ? 18 : experts ? 11 : 8;
  return mtp ? 10 : experts ? 6 : 5;
}

using Case = std::tuple<const char*, ComputeMode, int>;
class GoldenModels : public testing::TestWithParam<Case> {};

TEST_P(GoldenModels, LieWithinTheTolerances) {
  const auto [name, mode, threads] = GetParam();
  const auto report = Verify(
      {.dir = CaseDir(name), .mode = mode, .threads = threads, .chunk_tokens = 1 + 15 * threads});
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_TRUE(report->ok());
  EXPECT_EQ(static_cast<int>(report->lines.size()), Lines(name, mode));
  for (const VerifyLine& line : report->lines) {
    EXPECT_TRUE(line.ok()) << line.kind << ": " << line.deviation << " against " << line.rule
                           << " at " << line.worst;
    EXPECT_GT(line.compared, 0) << line.kind;
    // Far inside: an error of arithmetic, not of rounding, would show long before the tolerance.
    if (mode == ComputeMode::kF32) {
      EXPECT_LT(line.used, 0.2) << line.kind;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, GoldenModels,
                         testing::Combine(testing::ValuesIn(kCases),
                                          testing::Values(ComputeMode::kF32, ComputeMode::kBF16),
                                          testing::Values(1, 2)));

// FP8 KV: its effect on logits is told, and is what rounding to 3 bits of mantissa makes of these
// small models; chunks show no trace.
TEST(Fp8Kv, EffectOnLogitsIsMeasured) {
  for (const char* name : {"deepseek_v3-bf16", "deepseek_v3-fp8-yarn", "deepseek_v2-lite"}) {
    for (ComputeMode mode : {ComputeMode::kF32, ComputeMode::kBF16}) {
      const auto report = Verify({.dir = CaseDir(name), .mode = mode, .kv_format = KvFormat::kFp8});
      ASSERT_TRUE(report.ok()) << report.status();
      EXPECT_TRUE(report->ok());
      ASSERT_EQ(report->lines.size(), 10u);
      for (const VerifyLine& line : report->lines) {
        if (line.kind.ends_with("rms difference")) {
          EXPECT_GT(line.deviation, 1e-3) << name << ", " << line.kind;
          EXPECT_LT(line.deviation, 0.5) << name << ", " << line.kind;
        } else if (line.kind.ends_with("same top token")) {
          EXPECT_GE(line.deviation, 0.75) << name << ", " << line.kind;
        }
      }
    }
  }
  EXPECT_EQ(Verify({.dir = CaseDir("llama-gqa"), .kv_format = KvFormat::kFp8}).status().code(),
            absl::StatusCode::kInvalidArgument);
}

// bf16 KV in mode f32, where nothing else is rounded: some 2^-9 of everything.
TEST(Bf16Kv, EffectOnLogitsIsMeasured) {
  for (const char* name : {"deepseek_v3-bf16", "deepseek_v3-fp8-yarn", "deepseek_v2-lite"}) {
    const auto report = Verify({.dir = CaseDir(name), .kv_format = KvFormat::kBf16});
    ASSERT_TRUE(report.ok()) << report.status();
    EXPECT_TRUE(report->ok());
    ASSERT_EQ(report->lines.size(), 10u);
    EXPECT_TRUE(report->lines[0].kind.starts_with("bf16 KV against golden logits"));
    for (const VerifyLine& line : report->lines) {
      if (!line.kind.ends_with("rms difference")) continue;
      EXPECT_GT(line.deviation, 1e-3) << name << ", " << line.kind;
      EXPECT_LT(line.deviation, 0.02) << name << ", " << line.kind;
    }
  }
}

// Modes of quantised operands over every family: their effect is told, small, and there is one.
TEST(QuantisedModes, EffectOnLogitsIsMeasured) {
  for (const char* name : kCases) {
    const std::string case_name = name;
    const bool fp8 = case_name.ends_with("fp8-yarn"), experts = case_name.starts_with("deepseek");
    for (ComputeMode mode : {ComputeMode::kInt8, ComputeMode::kW8A8}) {
      const std::string where = case_name + ", " + std::string(ComputeModeName(mode));
      const auto report =
          Verify({.dir = CaseDir(name), .mode = mode, .threads = 2, .chunk_tokens = 7});
      ASSERT_TRUE(report.ok()) << report.status();
      EXPECT_EQ(report->lines.size(), fp8 && mode == ComputeMode::kW8A8 ? 16u : 10u) << where;
      for (const VerifyLine& line : report->lines) {
        EXPECT_TRUE(line.ok()) << where << ", " << line.kind << ": " << line.deviation
                               << " against " << line.rule << " at " << line.worst;
        EXPECT_GT(line.compared, 0) << where << ", " << line.kind;
        if (!line.kind.ends_with("rms difference")) continue;
        if (line.kind.starts_with("w8a8 of float32 operands")) {
          EXPECT_LT(line.deviation, 0.01) << where;  // only the order of sums differs
        } else if (line.kind.find("against bf16") == std::string::npos) {
          EXPECT_GT(line.deviation, 5e-3) << where << ", " << line.kind;
          EXPECT_LT(line.deviation, experts ? 1 : 0.2) << where << ", " << line.kind;
        } else if (mode == ComputeMode::kW8A8 && !fp8) {
          EXPECT_EQ(line.deviation, 0) << where << ", " << line.kind;
        } else {
          EXPECT_GT(line.deviation, 0.03) << where << ", " << line.kind;
          EXPECT_LT(line.deviation, experts ? 1 : 0.2) << where << ", " << line.kind;
        }
      }
    }
  }
}

TEST(VerifyCommand, PrintsATableAndJson) {
  std::ostringstream table, json, err;
  EXPECT_EQ(RunVerify({.dir = CaseDir("deepseek_v3-bf16")}, table, err), 0);
  EXPECT_NE(table.str().find("greedy tokens"), std::string::npos);
  EXPECT_EQ(table.str().find("MISS"), std::string::npos);
  EXPECT_EQ(
      RunVerify({.dir = CaseDir("deepseek_v3-fp8-yarn"), .mode = "bf16", .json = true}, json, err),
      0);
  const auto document = nlohmann::json::parse(json.str(), nullptr, false);
  ASSERT_TRUE(document.is_object());
  EXPECT_TRUE(document["ok"].get<bool>());
  EXPECT_EQ(document["prompt_tokens"], 80);
  EXPECT_GE(document["tensors"].size(), 10u);
  EXPECT_EQ(err.str(), "");
}

TEST(VerifyCommand, HasOnlyTheLinesOfTheFamily) {
  std::ostringstream llama, v2, bf16, err;
  EXPECT_EQ(RunVerify({.dir = CaseDir("llama-gqa")}, llama, err), 0);
  EXPECT_EQ(RunVerify({.dir = CaseDir("deepseek_v2-lite")}, v2, err), 0);
  EXPECT_EQ(RunVerify({.dir = CaseDir("qwen2-tied"), .mode = "bf16"}, bf16, err), 0);
  EXPECT_EQ(err.str(), "");
  for (const char* part : {"router", "mtp", "c_kv"})
    EXPECT_EQ(llama.str().find(part), std::string::npos) << part;
  EXPECT_NE(llama.str().find("\nkv k "), std::string::npos) << llama.str();
  EXPECT_NE(llama.str().find("\nkv v "), std::string::npos);
  EXPECT_NE(v2.str().find("router topk_idx"), std::string::npos);
  EXPECT_EQ(v2.str().find("mtp"), std::string::npos);
  EXPECT_EQ(bf16.str().find("experts"), std::string::npos);
  EXPECT_NE(bf16.str().find("0.4 in every row"), std::string::npos);
}

TEST(VerifyCommand, WhatCannotBeComparedIsAnErrorOfItsOwn) {
  std::ostringstream out, err;
  EXPECT_EQ(RunVerify({.dir = "/nonexistent"}, out, err), 2);
  EXPECT_NE(err.str().find("/nonexistent/golden.safetensors"), std::string::npos) << err.str();
  EXPECT_EQ(RunVerify({.dir = CaseDir("deepseek_v3-bf16"), .mode = "int3"}, out, err), 2);
  EXPECT_NE(err.str().find("unknown mode int3"), std::string::npos);
  EXPECT_EQ(out.str(), "");
}

}  // namespace
}  // namespace conclave
