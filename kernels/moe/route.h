// Which experts a token goes to: a sigmoid gate with a selection bias (DeepSeek-V3) or a softmax
// gate (DeepSeek-V2), both with group limits.
#pragma once

namespace conclave::kernels {

enum class RouteScore {
  kSigmoid,  // a group scores the sum of its two largest
  kSoftmax   // a group scores its largest
};

struct RouteParams {
  int rows = 0;
  int experts = 0;
  int groups = 1;      // experts / groups consecutive experts form a group
  int topk_group = 1;  // groups that may be chosen from
  int k = 0;
  bool normalise = true;  // weights sum to `scaling`
  float scaling = 1;
  const float* logits = nullptr;  // [rows, experts]
  const float* bias = nullptr;    // [experts] or null: added for the choice, not in the weight
  int* index = nullptr;           // [rows, k] out, ascending
  float* weight = nullptr;        // [rows, k] out, aligned
  RouteScore score = RouteScore::kSigmoid;
};

// s = score(logits), c = s + bias; groups are scored by c; experts outside the best topk_group
// groups are -infinity; the k largest c are chosen. Ties go to the smaller index. k must not exceed
// the experts of topk_group groups. One group means no limits.
void Route(const RouteParams& params);

// The oracle in float64.
void RouteRef(const RouteParams& params);

}  // namespace conclave::kernels
