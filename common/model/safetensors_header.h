// The header of a .safetensors file, parsed and checked against the file's size. A pure function of
// bytes. Internal to this module.
//
// The format: u64 little-endian header length N, N bytes of JSON {name: {dtype, shape,
// data_offsets: [begin, end]}} with an optional __metadata__ of strings, then the data. Offsets
// count from the end of the header; tensors lie row-major and fill the data without overlap or
// hole, in any order.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "common/base/status.h"
#include "common/model/checkpoint.h"

namespace conclave {

// `file` is the whole file. The views point into it. InvalidArgument naming `origin`, the tensor
// and the numbers for anything that is not exactly so.
absl::StatusOr<std::vector<TensorView>> ParseSafetensors(std::span<const uint8_t> file,
                                                         const std::string& origin);

}  // namespace conclave
