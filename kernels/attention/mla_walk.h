// Which pages a thread reads, in order: those of its split, then those of its next one.
#pragma once

#include "kernels/attention/mla.h"

namespace conclave::kernels {

struct MlaWalk {
  static const uint8_t* Page(const MlaSplitParams& p, const MlaSpan& span, int64_t page) {
    return p.kv + span.pages[page] * p.page_stride;
  }
  static int Tokens(const MlaSpan& span, int64_t begin) {
    return static_cast<int>(span.end - begin < kMlaPageTokens ? span.end - begin : kMlaPageTokens);
  }
  // The page that this thread reads `distance` pages after the one at `begin`, or null.
  static const uint8_t* Later(const MlaSplitParams& p, int64_t begin, int distance, int* tokens) {
    const int64_t at = begin + distance * kMlaPageTokens;
    if (at < p.span.end) {
      *tokens = Tokens(p.span, at);
      return Page(p, p.span, at / kMlaPageTokens);
    }
    const int64_t rest = (p.span.end - begin + kMlaPageTokens - 1) / kMlaPageTokens;
    const int64_t next = p.next.begin + (distance - rest) * kMlaPageTokens;
    if (next >= p.next.end) return nullptr;
    *tokens = Tokens(p.next, next);
    return Page(p, p.next, next / kMlaPageTokens);
  }
};

}  // namespace conclave::kernels
