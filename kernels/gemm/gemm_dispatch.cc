#include "kernels/gemm/gemm.h"
#include "kernels/gemm/gemm_bf16dot.h"

namespace conclave::kernels {
namespace {

// Fewer rows are bound by memory, and use less of a tile instruction.
constexpr int kAmxRows = 5;

}  // namespace

void GemmPanels(const GemmParams& params, int panel_begin, int panel_end, Isa isa) {
  if (params.w.arithmetic == Arithmetic::kBf16Dot) {
    return isa == Isa::kAvx512 && Bf16DotSupported()
               ? GemmBf16DotAvx512(params, panel_begin, panel_end)
               : GemmBf16DotPortable(params, panel_begin, panel_end);
  }
  const bool int8 = params.w.type == WeightType::kInt8;
  if (params.w.activations == ActivationQuant::kInt16) {
    if (isa == Isa::kAvx512 && VnniSupported())
      return GemmInt16Vnni(params, panel_begin, panel_end);
    return isa == Isa::kPortable ? GemmInt16Portable(params, panel_begin, panel_end)
                                 : GemmInt16Avx2(params, panel_begin, panel_end);
  }
  switch (isa) {
    case Isa::kAvx512:
      if (int8 && params.rows >= kAmxRows && AmxInt8Supported())
        return GemmInt8Amx(params, panel_begin, panel_end);
      if (int8 && VnniSupported()) return GemmInt8Vnni(params, panel_begin, panel_end);
      if (int8) return GemmInt8Avx2(params, panel_begin, panel_end);
      return GemmPanelsAvx512(params, panel_begin, panel_end);
    case Isa::kAvx2:
      return int8 ? GemmInt8Avx2(params, panel_begin, panel_end)
                  : GemmPanelsAvx2(params, panel_begin, panel_end);
    case Isa::kPortable:
      return int8 ? GemmInt8Portable(params, panel_begin, panel_end)
                  : GemmPanelsPortable(params, panel_begin, panel_end);
  }
}

}  // namespace conclave::kernels
