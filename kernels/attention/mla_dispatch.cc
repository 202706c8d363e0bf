#include "kernels/attention/mla_isa.h"

namespace conclave::kernels {

void MlaSplit(const MlaSplitParams& params, Isa isa) {
  switch (isa) {
    case Isa::kAvx512:
      if (params.shape.type == KvType::kInt16 && VnniSupported()) return MlaSplitAvx512Vnni(params);
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

void MlaPrompt(const MlaPromptParams& params, Isa isa) {
  switch (isa) {
    case Isa::kAvx512:
      return MlaPromptAvx512(params);
    case Isa::kAvx2:
      return MlaPromptAvx2(params);
    case Isa::kPortable:
      return MlaPromptPortable(params);
  }
}

void MlaDecodePage(const MlaDecodeParams& params, Isa isa) {
  switch (isa) {
    case Isa::kAvx512:
      return MlaDecodePageAvx512(params);
    case Isa::kAvx2:
      return MlaDecodePageAvx2(params);
    case Isa::kPortable:
      return MlaDecodePagePortable(params);
  }
}

}  // namespace conclave::kernels
