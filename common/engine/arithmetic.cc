#include "common/engine/arithmetic.h"

#include <cstdlib>

#include "kernels/gemm/gemm_bf16dot.h"

namespace conclave {

using kernels::Arithmetic;

absl::StatusOr<Arithmetic> ChooseArithmetic(std::string_view wish) {
  if (wish.empty()) return kernels::PreferredArithmetic();
  for (Arithmetic everywhere : {Arithmetic::kFma, Arithmetic::kInt16})
    if (wish == kernels::ArithmeticName(everywhere)) return everywhere;
  if (wish != kernels::ArithmeticName(Arithmetic::kBf16Dot))
    return InvalidArgument("CONCLAVE_ARITHMETIC is \"{}\"; it takes fma, int16 or bf16dot", wish);
  if (!kernels::Bf16DotSupported())
    return InvalidArgument(
        "CONCLAVE_ARITHMETIC is bf16dot, but this CPU lacks AVX-512 BF16; use int16 or fma on all "
        "workers");
  return Arithmetic::kBf16Dot;
}

const absl::StatusOr<Arithmetic>& ProcessArithmetic() {
  static const absl::StatusOr<Arithmetic> arithmetic = [] {
    const char* wish = std::getenv("CONCLAVE_ARITHMETIC");
    return ChooseArithmetic(wish == nullptr ? "" : wish);
  }();
  return arithmetic;
}

std::string ArithmeticIdentity(Arithmetic arithmetic) {
  const std::string name(kernels::ArithmeticName(arithmetic));
  if (arithmetic != Arithmetic::kBf16Dot) return name;
  return fmt::format("{} {:016x}", name, kernels::Bf16DotProbe());
}

}  // namespace conclave
