#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "kernels/moe/route.h"

namespace conclave::kernels {

void RouteRef(const RouteParams& p) {
  const int size = p.experts / p.groups;
  for (int row = 0; row < p.rows; ++row) {
    std::vector<double> score(p.experts), choice(p.experts);
    const bool softmax = p.score == RouteScore::kSoftmax;
    double total = 0;
    for (int e = 0; e < p.experts; ++e) {
      const double logit = p.logits[row * p.experts + e];
      score[e] = softmax ? std::exp(logit) : 1 / (1 + std::exp(-logit));
      total += score[e];
    }
    for (int e = 0; e < p.experts; ++e) {
      if (softmax) score[e] /= total;
      choice[e] = score[e] + (p.bias != nullptr ? p.bias[e] : 0);
    }
    std::vector<double> group(p.groups);
    for (int g = 0; g < p.groups; ++g) {
      std::vector<double> members(choice.begin() + g * size, choice.begin() + (g + 1) * size);
      std::sort(members.rbegin(), members.rend());
      group[g] = size > 1 && !softmax ? members[0] + members[1] : members[0];
    }
    std::vector<int> order(p.groups);
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return group[a] > group[b]; });
    std::vector<int> experts;
    for (int i = 0; i < p.topk_group; ++i)
      for (int e = 0; e < size; ++e) experts.push_back(order[i] * size + e);
    std::sort(experts.begin(), experts.end());
    std::stable_sort(experts.begin(), experts.end(),
                     [&](int a, int b) { return choice[a] > choice[b]; });
    experts.resize(p.k);
    std::sort(experts.begin(), experts.end());
    double sum = 0;
    for (int e : experts) sum += score[e];
    for (int i = 0; i < p.k; ++i) {
      p.index[row * p.k + i] = experts[i];
      p.weight[row * p.k + i] =
          static_cast<float>(score[experts[i]] / (p.normalise ? sum : 1) * p.scaling);
    }
  }
}

}  // namespace conclave::kernels
