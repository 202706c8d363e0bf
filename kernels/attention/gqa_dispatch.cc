#include "kernels/attention/gqa.h"

namespace conclave::kernels {

void GqaSplit(const GqaSplitParams& params, Isa isa) {
  switch (isa) {
    case Isa::kAvx512:
      return GqaSplitAvx512(params);
    case Isa::kAvx2:
      return GqaSplitAvx2(params);
    case Isa::kPortable:
      return GqaSplitPortable(params);
  }
}

}  // namespace conclave::kernels
