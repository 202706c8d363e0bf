#include "kernels/attention/mla_kernel.h"
#if defined(__x86_64__)
#include "kernels/attention/tile_ops_avx2.h"
#endif

namespace conclave::kernels {

#if defined(__x86_64__)
void MlaSplitAvx2(const MlaSplitParams& params) { MlaKernel<avx2::TileOps>::Run(params); }
void MlaMergeAvx2(const MlaMergeParams& params) { MlaKernel<avx2::TileOps>::Merge(params); }
#else
void MlaSplitAvx2(const MlaSplitParams& params) { MlaSplitPortable(params); }
void MlaMergeAvx2(const MlaMergeParams& params) { MlaMergePortable(params); }
#endif

}  // namespace conclave::kernels
