// One generated token as clients see it.
#pragma once

#include <cstdint>
#include <vector>

namespace conclave {

struct TokenAlternative {
  int32_t id = 0;
  float logprob = 0;  // natural logarithm
};

struct GeneratedToken {
  int32_t id = 0;
  float logprob = 0;  // natural logarithm, of the unmodified distribution
  std::vector<TokenAlternative> top;
};

}  // namespace conclave
