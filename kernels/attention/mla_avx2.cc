#include "kernels/attention/mla_kernel.h"
#if defined(__x86_64__)
#include "kernels/base/vec_avx2.h"
#endif

namespace conclave::kernels {

#if defined(__x86_64__)
void MlaSplitAvx2(const MlaSplitParams& params) { MlaKernel<avx2::Vec>::Run(params); }
void MlaMergeAvx2(const MlaMergeParams& params) { MlaKernel<avx2::Vec>::Merge(params); }
#else
void MlaSplitAvx2(const MlaSplitParams& params) { MlaSplitPortable(params); }
void MlaMergeAvx2(const MlaMergeParams& params) { MlaMergePortable(params); }
#endif

}  // namespace conclave::kernels
