#include "kernels/base/cpu_features.h"

#if defined(__x86_64__) && defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace conclave::kernels {
namespace {

#if defined(__x86_64__) && defined(__linux__)
// Linux gives the 8 KiB of tile registers only to processes that ask; it refuses where it does not
// know them, or where a signal stack is too small to save them.
bool AskForTiles() {
  constexpr long kRequestPermission = 0x1023, kTileData = 18;
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
}
#endif

}  // namespace

bool IsaSupported(Isa isa) {
  if (isa == Isa::kPortable) return true;
#if defined(__x86_64__)
  __builtin_cpu_init();
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
                    __builtin_cpu_supports("f16c");
  if (isa == Isa::kAvx2) return avx2;
  return avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
         __builtin_cpu_supports("avx512vbmi");
#else
  return false;
#endif
}

bool VnniSupported() {
#if defined(__x86_64__)
  static const bool supported = IsaSupported(Isa::kAvx512) &&
                                __builtin_cpu_supports("avx512vnni") &&
                                __builtin_cpu_supports("gfni");
  return supported;
#else
  return false;
#endif
}

bool AmxInt8Supported() {
#if defined(__x86_64__) && defined(__linux__)
  static const bool supported = IsaSupported(Isa::kAvx512) && __builtin_cpu_supports("amx-tile") &&
                                __builtin_cpu_supports("amx-int8") && AskForTiles();
  return supported;
#else
  return false;
#endif
}

bool Bf16DotSupported() {
#if defined(__x86_64__)
  static const bool supported = IsaSupported(Isa::kAvx512) && __builtin_cpu_supports("avx512bf16");
  return supported;
#else
  return false;
#endif
}

Arithmetic PreferredArithmetic() {
#if defined(__x86_64__)
  if (Bf16DotSupported() && __builtin_cpu_is("amd")) return Arithmetic::kBf16Dot;
#endif
  return Arithmetic::kInt16;
}

std::string_view ArithmeticName(Arithmetic arithmetic) {
  switch (arithmetic) {
    case Arithmetic::kBf16Dot:
      return "bf16dot";
    case Arithmetic::kInt16:
      return "int16";
    default:
      return "fma";
  }
}

Isa BestIsa() {
  static const Isa best = IsaSupported(Isa::kAvx512) ? Isa::kAvx512
                          : IsaSupported(Isa::kAvx2) ? Isa::kAvx2
                                                     : Isa::kPortable;
  return best;
}

std::string_view IsaName(Isa isa) {
  switch (isa) {
    case Isa::kAvx2:
      return "avx2";
    case Isa::kAvx512:
      return "avx512";
    default:
      return "portable";
  }
}

}  // namespace conclave::kernels
