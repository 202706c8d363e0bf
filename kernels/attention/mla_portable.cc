#include "kernels/attention/mla_int16_query.h"
#include "kernels/attention/mla_kernel.h"
#include "kernels/attention/mla_merge_kernel.h"
#include "kernels/attention/mla_prompt_kernel.h"
#include "kernels/attention/tile_ops_portable.h"

namespace conclave::kernels {

void MlaPackInt16Portable(const MlaQueryParams& params) {
  MlaInt16QueryKernel<portable::TileOps>::Run(params);
}
void MlaSplitPortable(const MlaSplitParams& params) { MlaKernel<portable::TileOps>::Run(params); }
void MlaMergePortable(const MlaMergeParams& params) {
  MlaMergeKernel<portable::TileOps>::Run(params);
}
void MlaPromptPortable(const MlaPromptParams& params) {
  MlaPromptKernel<portable::TileOps>::Run(params);
}
void MlaDecodePagePortable(const MlaDecodeParams& params) {
  MlaPromptKernel<portable::TileOps>::DecodePage(params);
}

}  // namespace conclave::kernels
