// Parts of config.json, one reader per part. Internal to this module. A reader leaves its first
// failure in `fields`; the caller checks fields.status().
#pragma once

#include <cstdint>

#include "common/model/json_fields.h"
#include "common/model/model_config.h"

namespace conclave {

// Bounds are far above every released model; they keep products of dimensions within int64 and
// catch files that are not what they claim to be.
inline constexpr int64_t kMaxWidth = 1 << 17;
inline constexpr int64_t kMaxHeads = 4096;
inline constexpr int64_t kMaxLayers = 1024;
inline constexpr int64_t kMaxExperts = 1 << 16;
inline constexpr int64_t kMaxTokens = 1 << 26;

// Attention, experts and router of deepseek_v2 and deepseek_v3; config.family and the common fields
// are set.
void ReadDeepseek(FieldReader& fields, ModelConfig& config);

// Attention and MLP of llama and qwen2, likewise.
void ReadLlama(FieldReader& fields, ModelConfig& config);

// rope_theta and rope_scaling: YaRN or none with MLA, llama3 or none with GQA.
void ReadRope(FieldReader& fields, ModelConfig& config);

}  // namespace conclave
