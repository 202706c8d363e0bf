#include "kernels/attention/mla_int16_query.h"
#include "kernels/attention/mla_kernel.h"
#include "kernels/attention/mla_merge_kernel.h"
#include "kernels/attention/mla_prompt_kernel.h"
#if defined(__x86_64__)
#include "kernels/attention/tile_ops_avx512.h"
#endif

namespace conclave::kernels {

#if defined(__x86_64__)
void MlaPackInt16Avx512(const MlaQueryParams& params) {
  MlaInt16QueryKernel<avx512::TileOps>::Run(params);
}
void MlaSplitAvx512Vnni(const MlaSplitParams& params) {
  MlaInt16Kernel<avx512::VnniTileOps>::Run(params);
}
void MlaSplitAvx512(const MlaSplitParams& params) { MlaKernel<avx512::TileOps>::Run(params); }
void MlaMergeAvx512(const MlaMergeParams& params) { MlaMergeKernel<avx512::TileOps>::Run(params); }
void MlaPromptAvx512(const MlaPromptParams& params) {
  MlaPromptKernel<avx512::TileOps>::Run(params);
}
void MlaDecodePageAvx512(const MlaDecodeParams& params) {
  MlaPromptKernel<avx512::TileOps>::DecodePage(params);
}
#else
void MlaPackInt16Avx512(const MlaQueryParams& params) { MlaPackInt16Portable(params); }
void MlaSplitAvx512Vnni(const MlaSplitParams& params) { MlaSplitPortable(params); }
void MlaSplitAvx512(const MlaSplitParams& params) { MlaSplitPortable(params); }
void MlaMergeAvx512(const MlaMergeParams& params) { MlaMergePortable(params); }
void MlaPromptAvx512(const MlaPromptParams& params) { MlaPromptPortable(params); }
void MlaDecodePageAvx512(const MlaDecodeParams& params) { MlaDecodePagePortable(params); }
#endif

}  // namespace conclave::kernels
