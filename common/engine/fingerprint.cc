#include "common/engine/fingerprint.h"

#include <fstream>
#include <iterator>

#include "common/base/digest.h"
#include "common/engine/arithmetic.h"
#include "kernels/base/order.h"

namespace conclave {

absl::StatusOr<uint64_t> ModelFingerprint(const std::string& dir, const Checkpoint& checkpoint,
                                          ComputeMode mode) {
  std::ifstream file(dir + "/config.json", std::ios::binary);
  if (!file) return NotFound("cannot read {}/config.json", dir);
  std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  text += fmt::format("\nmode {}\norder {}\n", ComputeModeName(mode), kernels::kOrderOfOperations);
  if (UsesBf16(mode)) {
    ASSIGN_OR_RETURN(const kernels::Arithmetic arithmetic, ProcessArithmetic());
    text += fmt::format("arithmetic {}\n", ArithmeticIdentity(arithmetic));
  }
  for (const std::string& name : checkpoint.Names()) {
    ASSIGN_OR_RETURN(const TensorView view, checkpoint.Get(name));
    text +=
        fmt::format("{} {} [{}]\n", name, TensorTypeName(view.type), fmt::join(view.shape, ","));
  }
  const uint64_t digest = Digest(text.data(), text.size());
  return digest != 0 ? digest : 1;
}

}  // namespace conclave
