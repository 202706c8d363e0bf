#include "kernels/base/vec_portable.h"
#include "kernels/moe/swiglu_kernel.h"

namespace conclave::kernels {

void SwiGluPortable(const SwiGluParams& params) { SwiGluOn<portable::Vec>(params); }

}  // namespace conclave::kernels
