#include "kernels/attention/mla.h"

namespace conclave::kernels {

void MlaSplit(const MlaSplitParams& params, Isa isa) {
  switch (isa) {
    case Isa::kAvx512:
      return MlaSplitAvx512(params);
    case Isa::kAvx2:
      return MlaSplitAvx2(params);
    case Isa::kPortable:
      return MlaSplitPortable(params);
  }
}

}  // namespace conclave::kernels
