#include "kernels/attention/mla_kernel.h"
#include "kernels/attention/tile_ops_portable.h"

namespace conclave::kernels {

void MlaSplitPortable(const MlaSplitParams& params) { MlaKernel<portable::TileOps>::Run(params); }
void MlaMergePortable(const MlaMergeParams& params) { MlaKernel<portable::TileOps>::Merge(params); }

}  // namespace conclave::kernels
