#include "kernels/attention/mla_kernel.h"
#include "kernels/base/vec_portable.h"

namespace conclave::kernels {

void MlaSplitPortable(const MlaSplitParams& params) { MlaKernel<portable::Vec>::Run(params); }
void MlaMergePortable(const MlaMergeParams& params) { MlaKernel<portable::Vec>::Merge(params); }

}  // namespace conclave::kernels
