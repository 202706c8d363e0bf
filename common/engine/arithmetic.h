// The arithmetic of this process's GEMMs with bf16 or e4m3 weights, in the modes whose activations
// are bf16. Chosen once: what the CPU is faster with, or what the environment variable
// CONCLAVE_ARITHMETIC (fma, bf16dot, int16) says, so that a cluster of mixed CPUs can agree.
#pragma once

#include <string>
#include <string_view>

#include "common/base/status.h"
#include "kernels/base/cpu_features.h"

namespace conclave {

// `wish`: the variable's value, empty for the CPU's choice. An error for any other word, and for
// bf16dot on a CPU without the instruction.
absl::StatusOr<kernels::Arithmetic> ChooseArithmetic(std::string_view wish);
// The process's. Thread-safe; reads the environment at the first call.
const absl::StatusOr<kernels::Arithmetic>& ProcessArithmetic();
// What workers compare: equal only where GEMMs of this arithmetic give equal bits. bf16dot needs
// the instruction.
std::string ArithmeticIdentity(kernels::Arithmetic arithmetic);

}  // namespace conclave
