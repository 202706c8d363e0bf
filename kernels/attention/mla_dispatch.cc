#include "kernels/attention/mla_isa.h"
#include "kernels/attention/mla_walk.h"

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

void MlaFetch(const MlaSplitParams& p) {
  constexpr int64_t kBytes = 80 << 10;  // the kernels fetch the rest in time
  const int64_t page_bytes = kMlaPageTokens * p.shape.TokenBytes();
  for (int distance = 0; distance == 0 || (distance + 1) * page_bytes <= kBytes; ++distance) {
    int tokens = 0;
    const uint8_t* page = MlaWalk::Later(p, p.span.begin, distance, &tokens);
    if (page == nullptr) return;
    for (int64_t i = 0; i < tokens * p.shape.TokenBytes(); i += 64)
      __builtin_prefetch(page + i, 0, 2);
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
