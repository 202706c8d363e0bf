#include "kernels/attention/mla_isa.h"

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

void MlaMerge(const MlaMergeParams& params, Isa isa) {
  switch (isa) {
    case Isa::kAvx512:
      return MlaMergeAvx512(params);
    case Isa::kAvx2:
      return MlaMergeAvx2(params);
    case Isa::kPortable:
      return MlaMergePortable(params);
  }
}

}  // namespace conclave::kernels
