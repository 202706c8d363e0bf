// Which experts a token goes to: sigmoid gate with a selection bias and group limits (DeepSeek-V3).
#pragma once

namespace conclave::kernels {

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
};

// Scores s = sigmoid(logit), c = s + bias. A group scores the sum of its two largest c; experts
// outside the best topk_group groups are -infinity; the k largest c are chosen. Ties go to the
// smaller index. k must not exceed the experts of topk_group groups.
void Route(const RouteParams& params);

// The oracle in float64.
void RouteRef(const RouteParams& params);

}  // namespace conclave::kernels
