// Latent attention over a cache of scattered pages, split by split.
#pragma once

#include "kernels/attention/mla.h"
#include "tests/unit/kernels/random_values.h"

namespace conclave::kernels {

// A cache of scattered pages and the queries of one row.
struct MlaCase {
  MlaCacheShape shape;
  int heads;
  int64_t tokens;
  std::vector<uint8_t> cache;
  std::vector<int32_t> pages;
  std::vector<float> q_latent, q_rope, gain;

  MlaCase(KvType type, int heads, int latent, int rope, int64_t tokens)
      : shape{type, latent, rope}, heads(heads), tokens(tokens) {
    const int width = latent + rope, count = static_cast<int>((tokens + 63) / 64);
    const std::vector<float> values = RandomValues(static_cast<int64_t>(count) * 64 * width, 3);
    cache.resize(count * 64 * shape.TokenBytes());
    for (int64_t t = 0; t < count * 64; ++t)
      MlaEncodeToken(shape, &values[t * width], &cache[t * shape.TokenBytes()]);
    for (int i = 0; i < count; ++i) pages.push_back(count - 1 - i);
    q_latent = RandomValues(static_cast<int64_t>(heads) * latent, 5, 0.3f);
    q_rope = RandomValues(static_cast<int64_t>(heads) * (rope + 2), 6, 0.3f);
    gain = RandomValues(latent, 7);
  }
  MlaQueryParams Query() const {
    return {.shape = shape,
            .heads = heads,
            .scale = 0.2f,
            .q_latent = q_latent.data(),
            .gain = gain_of_type(),
            .q_rope = q_rope.data(),
            .rope_stride = shape.rope + 2};
  }
  const float* gain_of_type() const { return shape.type == KvType::kInt16 ? gain.data() : nullptr; }
  MlaSplitParams Params() const {
    return {.shape = shape,
            .heads = heads,
            .kv = cache.data(),
            .page_stride = 64 * shape.TokenBytes(),
            .span = {pages.data(), 0, tokens}};
  }
  MlaSpan Split(int split) const {
    const int64_t begin = static_cast<int64_t>(split) * kMlaSplitTokens;
    return {pages.data(), begin, std::min<int64_t>(tokens, begin + kMlaSplitTokens)};
  }
  // Splits in any order, with the next one announced or not; merged one by one or all at once.
  using SplitOn = void (*)(const MlaSplitParams&, Isa);
  std::vector<float> Attend(Isa isa, bool backwards = false, bool announced = true,
                            SplitOn split_on = MlaSplit) const {
    const int splits = static_cast<int>((tokens + kMlaSplitTokens - 1) / kMlaSplitTokens);
    const int64_t partial = MlaPartialFloats(heads, shape);
    std::vector<float> q(MlaQueryFloats(heads, shape)), scratch(MlaScratchFloats(shape)),
        parts(splits * partial), out(static_cast<size_t>(heads) * shape.latent);
    MlaQueryParams query = Query();
    query.out = q.data();
    MlaPackQuery(query, isa);
    for (int i = 0; i < splits; ++i) {
      const int split = backwards ? splits - 1 - i : i;
      MlaSplitParams p = Params();
      p.span = Split(split);
      const int next = backwards ? split - 1 : split + 1;
      if (announced && next >= 0 && next < splits) p.next = Split(next);
      p.q = q.data();
      p.scratch = scratch.data();
      p.max = &parts[split * partial];
      p.sum = p.max + MlaLanes(heads);
      p.mix = p.sum + MlaLanes(heads);
      split_on(p, isa);
    }
    const auto merge = [&](int head_begin, int head_end, int part, int count) {
      MlaMerge({.shape = shape,
                .heads = heads,
                .head_begin = head_begin,
                .head_end = head_end,
                .into = parts.data(),
                .parts = &parts[part * partial],
                .count = count},
               isa);
    };
    if (backwards) {
      for (int part = 1; part < splits; ++part) merge(0, heads, part, 1);
    } else if (splits > 1) {
      merge(0, heads / 2, 1, splits - 1);
      merge(heads / 2, heads, 1, splits - 1);
    }
    MlaNormalise(parts.data(), shape, gain_of_type(), heads, 0, heads, out.data());
    return out;
  }
};

}  // namespace conclave::kernels
