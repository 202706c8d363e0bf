// Models of realistic proportions that fit a small machine, for benchmarks with random weights.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "common/engine/model.h"

namespace conclave {

// tiny: 108 M parameters. v2lite-slice: V2-Lite's dimensions, 6 layers, 3.1 G. v3-slice: V3's
// dimensions, one dense and one MoE layer, 12.2 G.
std::span<const std::string_view> BenchShapeNames();
// InvalidArgument for an unknown name.
absl::StatusOr<ModelConfig> BenchShape(std::string_view name);
// The shape with random block-scaled e4m3 weights (random_checkpoint.h), made in memory.
absl::StatusOr<std::shared_ptr<const Model>> RandomModel(std::string_view shape,
                                                         const LoadOptions& options);

}  // namespace conclave
