#include "kernels/attention/mla_kernel.h"
#if defined(__x86_64__)
#include "kernels/attention/tile_ops_avx512.h"
#endif

namespace conclave::kernels {

#if defined(__x86_64__)
void MlaSplitAvx512(const MlaSplitParams& params) { MlaKernel<avx512::TileOps>::Run(params); }
void MlaMergeAvx512(const MlaMergeParams& params) { MlaKernel<avx512::TileOps>::Merge(params); }
#else
void MlaSplitAvx512(const MlaSplitParams& params) { MlaSplitPortable(params); }
void MlaMergeAvx512(const MlaMergeParams& params) { MlaMergePortable(params); }
#endif

}  // namespace conclave::kernels
