#include "kernels/attention/mla_int16_query.h"
#include "kernels/attention/mla_kernel.h"
#include "kernels/attention/mla_merge_kernel.h"
#include "kernels/attention/mla_prompt_kernel.h"
#if defined(__x86_64__)
#include "kernels/attention/tile_ops_avx2.h"
#endif

namespace conclave::kernels {

#if defined(__x86_64__)
void MlaPackInt16Avx2(const MlaQueryParams& params) {
  MlaInt16QueryKernel<avx2::TileOps>::Run(params);
}
void MlaSplitAvx2(const MlaSplitParams& params) { MlaKernel<avx2::TileOps>::Run(params); }
void MlaMergeAvx2(const MlaMergeParams& params) { MlaMergeKernel<avx2::TileOps>::Run(params); }
void MlaPromptAvx2(const MlaPromptParams& params) { MlaPromptKernel<avx2::TileOps>::Run(params); }
void MlaDecodePageAvx2(const MlaDecodeParams& params) {
  MlaPromptKernel<avx2::TileOps>::DecodePage(params);
}
#else
void MlaPackInt16Avx2(const MlaQueryParams& params) { MlaPackInt16Portable(params); }
void MlaSplitAvx2(const MlaSplitParams& params) { MlaSplitPortable(params); }
void MlaMergeAvx2(const MlaMergeParams& params) { MlaMergePortable(params); }
void MlaPromptAvx2(const MlaPromptParams& params) { MlaPromptPortable(params); }
void MlaDecodePageAvx2(const MlaDecodeParams& params) { MlaDecodePagePortable(params); }
#endif

}  // namespace conclave::kernels
