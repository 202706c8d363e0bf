#include "kernels/attention/mla_kernel.h"
#if defined(__x86_64__)
#include "kernels/base/vec_avx512.h"
#endif

namespace conclave::kernels {

#if defined(__x86_64__)
void MlaSplitAvx512(const MlaSplitParams& params) { MlaKernel<avx512::Vec>::Run(params); }
void MlaMergeAvx512(const MlaMergeParams& params) { MlaKernel<avx512::Vec>::Merge(params); }
#else
void MlaSplitAvx512(const MlaSplitParams& params) { MlaSplitPortable(params); }
void MlaMergeAvx512(const MlaMergeParams& params) { MlaMergePortable(params); }
#endif

}  // namespace conclave::kernels
