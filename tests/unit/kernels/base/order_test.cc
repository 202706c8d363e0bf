#include "kernels/base/order.h"

#include <gtest/gtest.h>

#include "kernels/attention/mla.h"
#include "tests/unit/kernels/gemm/gemm_operands.h"

namespace conclave::kernels {
namespace {

// Multiples of 2^-8 from integers alone: the same on every machine, whatever its libraries.
std::vector<float> Steps(int64_t count, uint32_t seed) {
  std::vector<float> values(count);
  for (float& value : values) {
    seed = seed * 1664525u + 1013904223u;
    value = static_cast<float>(static_cast<int>(seed >> 23) - 256) / 256.0f;
  }
  return values;
}

struct Fnv {
  uint64_t digest = 0xcbf29ce484222325u;
  void Add(const std::vector<float>& values) {
    for (float value : values) digest = (digest ^ std::bit_cast<uint32_t>(value)) * 0x100000001b3u;
  }
};

std::vector<float> Products(WeightType type, int rows, Isa isa) {
  const int n = 64, k = 300;
  const std::vector<float> values = Steps(n * k, 7), x = Steps(rows * k, 8);
  std::vector<uint8_t> data(n * k * (4 / GroupSize(type)));
  std::vector<float> scales = {0.25f, 3.0f, 0.125f};
  for (int i = 0; i < n * k; ++i) {
    const uint16_t bf16 = EncodeBf16(values[i]);
    if (type == WeightType::kF32) std::memcpy(&data[4 * i], &values[i], 4);
    if (type == WeightType::kBf16) std::memcpy(&data[2 * i], &bf16, 2);
    if (type == WeightType::kFp8) data[i] = EncodeE4m3(values[i]);
  }
  const Packed packed(
      {{type, n, k, data.data(), reinterpret_cast<const uint8_t*>(scales.data())}, 0, n, false});
  std::vector<float> out(rows * n);
  GemmPanels({packed.m, x.data(), out.data(), rows, k, n}, 0, packed.m.panels(), isa);
  return out;
}

std::vector<float> Mixtures(KvType type, int heads, int latent, int rope, Isa isa) {
  const MlaCacheShape shape{type, latent, rope};
  const int64_t tokens = 300, width = latent + rope, partial = MlaPartialFloats(heads, shape);
  const int32_t pages[] = {0, 1, 2, 3, 4};
  std::vector<uint8_t> cache(5 * kMlaPageTokens * shape.TokenBytes());
  const std::vector<float> values = Steps(5 * kMlaPageTokens * width, 9),
                           q_latent = Steps(heads * latent, 10), q_rope = Steps(heads * rope, 11),
                           gain = Steps(latent, 12);
  for (int64_t t = 0; t < 5 * kMlaPageTokens; ++t)
    MlaEncodeToken(shape, &values[t * width], &cache[t * shape.TokenBytes()]);
  std::vector<float> q(MlaQueryFloats(heads, shape)), scratch(MlaScratchFloats(shape)),
      parts(2 * partial), out(heads * latent);
  MlaPackQuery({shape, heads, 0.125f, q_latent.data(), gain.data(), q_rope.data(), rope, q.data()},
               isa);
  for (int split = 0; split < 2; ++split) {
    float* part = &parts[split * partial];
    MlaSplit({.shape = shape,
              .heads = heads,
              .kv = cache.data(),
              .page_stride = kMlaPageTokens * shape.TokenBytes(),
              .span = {pages, split * kMlaSplitTokens, split == 0 ? kMlaSplitTokens : tokens},
              .q = q.data(),
              .scratch = scratch.data(),
              .max = part,
              .sum = part + MlaLanes(heads),
              .mix = part + 2 * MlaLanes(heads)},
             isa);
  }
  MlaMerge({.shape = shape,
            .heads = heads,
            .head_end = heads,
            .into = parts.data(),
            .parts = &parts[partial],
            .count = 1},
           isa);
  MlaNormalise(parts.data(), shape, gain.data(), heads, 0, heads, out.data());
  return out;
}

// When this fails, an order of operations has changed: raise kOrderOfOperations, and put its digest
// here.
TEST(Order, BitsBelongToTheNumber) {
  EXPECT_EQ(kOrderOfOperations, 3);
  for (Isa isa : SupportedIsas()) {
    Fnv bits;
    for (WeightType type : kTypes)
      for (int rows : {1, 11}) bits.Add(Products(type, rows, isa));
    for (const auto& [heads, latent, rope] :
         {std::tuple{8, 128, 32}, std::tuple{16, 512, 64}, std::tuple{22, 64, 6}})
      for (KvType type : {KvType::kBf16, KvType::kInt16})
        bits.Add(Mixtures(type, heads, latent, rope, isa));
    EXPECT_EQ(bits.digest, 3430391859173054299u) << IsaName(isa);
  }
}

}  // namespace
}  // namespace conclave::kernels
