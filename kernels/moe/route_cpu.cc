#include <algorithm>
#include <cmath>
#include <vector>

#include "kernels/base/exp.h"
#include "kernels/moe/route.h"

namespace conclave::kernels {
namespace {

// Index of the largest value, the first of equals.
int ArgMax(const float* values, int count) {
  int best = 0;
  for (int i = 1; i < count; ++i)
    if (values[i] > values[best]) best = i;
  return best;
}

// The sum over float32 terms is kept in float64, where 2^16 of them lose nothing that shows.
void Softmax(const float* logits, int count, float* score) {
  const float max = logits[ArgMax(logits, count)];
  double sum = 0;
  for (int i = 0; i < count; ++i) sum += score[i] = Exp(logits[i] - max);
  for (int i = 0; i < count; ++i) score[i] = static_cast<float>(score[i] / sum);
}

float GroupScore(const float* choice, int size, RouteScore score) {
  if (size == 1 || score == RouteScore::kSoftmax) return choice[ArgMax(choice, size)];
  float first = -INFINITY, second = -INFINITY;
  for (int i = 0; i < size; ++i) {
    if (choice[i] > first) {
      second = first;
      first = choice[i];
    } else if (choice[i] > second) {
      second = choice[i];
    }
  }
  return first + second;
}

}  // namespace

void Route(const RouteParams& p) {
  const int group_size = p.experts / p.groups;
  std::vector<float> score(p.experts), choice(p.experts), group(p.groups);
  std::vector<char> keep(p.groups);
  for (int row = 0; row < p.rows; ++row) {
    const float* logits = p.logits + static_cast<long>(row) * p.experts;
    if (p.score == RouteScore::kSoftmax) {
      Softmax(logits, p.experts, score.data());
    } else {
      for (int e = 0; e < p.experts; ++e) score[e] = 1.0f / (1.0f + Exp(-logits[e]));
    }
    for (int e = 0; e < p.experts; ++e)
      choice[e] = p.bias != nullptr ? score[e] + p.bias[e] : score[e];
    for (int g = 0; g < p.groups; ++g)
      group[g] = GroupScore(&choice[g * group_size], group_size, p.score);
    std::fill(keep.begin(), keep.end(), 0);
    for (int i = 0; i < p.topk_group; ++i) {
      int best = -1;
      for (int g = 0; g < p.groups; ++g)
        if (!keep[g] && (best < 0 || group[g] > group[best])) best = g;
      keep[best] = 1;
    }
    for (int e = 0; e < p.experts; ++e)
      if (!keep[e / group_size]) choice[e] = -INFINITY;
    int* index = p.index + static_cast<long>(row) * p.k;
    for (int i = 0; i < p.k; ++i) {
      index[i] = ArgMax(choice.data(), p.experts);
      choice[index[i]] = -INFINITY;
    }
    std::sort(index, index + p.k);
    float* weight = p.weight + static_cast<long>(row) * p.k;
    float sum = 0;
    for (int i = 0; i < p.k; ++i) sum += weight[i] = score[index[i]];
    for (int i = 0; i < p.k; ++i)
      weight[i] = (p.normalise ? weight[i] / sum : weight[i]) * p.scaling;
  }
}

}  // namespace conclave::kernels
