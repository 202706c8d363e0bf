// The entry points of each instruction set; callers use mla.h and mla_prompt.h.
#pragma once

#include "kernels/attention/mla.h"
#include "kernels/attention/mla_prompt.h"

namespace conclave::kernels {

void MlaPackInt16Portable(const MlaQueryParams& params);
void MlaPackInt16Avx2(const MlaQueryParams& params);
void MlaPackInt16Avx512(const MlaQueryParams& params);
void MlaSplitPortable(const MlaSplitParams& params);
void MlaSplitAvx2(const MlaSplitParams& params);
void MlaSplitAvx512(const MlaSplitParams& params);
// kInt16 only; where VnniSupported().
void MlaSplitAvx512Vnni(const MlaSplitParams& params);
void MlaMergePortable(const MlaMergeParams& params);
void MlaMergeAvx2(const MlaMergeParams& params);
void MlaMergeAvx512(const MlaMergeParams& params);
void MlaPromptPortable(const MlaPromptParams& params);
void MlaPromptAvx2(const MlaPromptParams& params);
void MlaPromptAvx512(const MlaPromptParams& params);
void MlaDecodePagePortable(const MlaDecodeParams& params);
void MlaDecodePageAvx2(const MlaDecodeParams& params);
void MlaDecodePageAvx512(const MlaDecodeParams& params);

// Up to 8 heads share two vectors with four channels each.
constexpr bool MlaInQuads(int heads, int width) { return heads <= 8 && width % 4 == 0; }

}  // namespace conclave::kernels
