// Merges results of splits, over the operations of any tile_ops_*.h.
#pragma once

#include "kernels/attention/mla.h"
#include "kernels/base/exp.h"

namespace conclave::kernels {

template <class O>
struct MlaMergeKernel {
  using V = typename O::V;
  static constexpr int kLanes = 16;
  static constexpr int kParts = 32;  // whose factors are in memory at once

  // What one part does to heads head .. head + lanes: the state is kept by `keep`, then the part
  // comes in by `take`.
  struct Factors {
    float keep[kLanes], take[kLanes];
  };

  static void Weigh(float* into, const float* parts, int64_t stride, int count, int lanes,
                    int lanes_of_all, Factors* factors) {
    V max = O::LoadFirst(into, lanes), sum = O::LoadFirst(into + lanes_of_all, lanes);
    for (int part = 0; part < count; ++part, parts += stride) {
      const V later = O::LoadFirst(parts, lanes), most = V::Max(max, later);
      const V keep = Exp2Vec(V::Sub(max, most)), take = Exp2Vec(V::Sub(later, most));
      sum = V::Fma(O::LoadFirst(parts + lanes_of_all, lanes), take, V::Mul(sum, keep));
      max = most;
      keep.Store(factors[part].keep);
      take.Store(factors[part].take);
    }
    O::StoreFirst(max, into, lanes);
    O::StoreFirst(sum, into + lanes_of_all, lanes);
  }

  // C vectors of one head's mixture; of the last one `lanes` lanes.
  template <int C>
  static void Mix(float* mix, const float* part, int64_t stride, int count, const Factors* factors,
                  int lane, int lanes) {
    const auto load = [&](const float* p) {
      return lanes == kLanes ? V::Load(p) : O::LoadFirst(p, lanes);
    };
    V acc[C];
#pragma GCC unroll 4
    for (int c = 0; c < C; ++c) acc[c] = load(mix + c * kLanes);
    for (int i = 0; i < count; ++i, part += stride) {
      const V keep = V::Set1(factors[i].keep[lane]), take = V::Set1(factors[i].take[lane]);
#pragma GCC unroll 4
      for (int c = 0; c < C; ++c)
        acc[c] = V::Fma(load(part + c * kLanes), take, V::Mul(acc[c], keep));
    }
#pragma GCC unroll 4
    for (int c = 0; c < C; ++c) {
      if (lanes == kLanes) {
        acc[c].Store(mix + c * kLanes);
      } else {
        O::StoreFirst(acc[c], mix + c * kLanes, lanes);
      }
    }
  }

  static void Run(const MlaMergeParams& p) {
    const int all = MlaLanes(p.heads), width = p.shape.MixWidth();
    const int64_t stride = p.part_stride > 0 ? p.part_stride : MlaPartialFloats(p.heads, p.shape);
    Factors factors[kParts];
    for (int begin = 0; begin < p.count; begin += kParts) {
      const float* parts = p.parts + begin * stride;
      const int count = p.count - begin < kParts ? p.count - begin : kParts;
      for (int h = p.head_begin; h < p.head_end; h += kLanes) {
        const int lanes = p.head_end - h < kLanes ? p.head_end - h : kLanes;
        Weigh(p.into + h, parts + h, stride, count, lanes, all, factors);
        for (int lane = 0; lane < lanes; ++lane) {
          const int64_t at = 2 * all + static_cast<int64_t>(h + lane) * width;
          int c = 0;
          for (; c + 4 * kLanes <= width; c += 4 * kLanes)
            Mix<4>(p.into + at + c, parts + at + c, stride, count, factors, lane, kLanes);
          for (; c < width; c += kLanes) {
            const int left = width - c < kLanes ? width - c : kLanes;
            Mix<1>(p.into + at + c, parts + at + c, stride, count, factors, lane, left);
          }
        }
      }
    }
  }
};

}  // namespace conclave::kernels
