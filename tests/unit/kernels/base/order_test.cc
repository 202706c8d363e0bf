#include "kernels/base/order.h"

#include <gtest/gtest.h>

#include "kernels/attention/gqa.h"
#include "kernels/attention/mla.h"
#include "kernels/attention/mla_prompt.h"
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

// bf16 weights that are requantised to 8 or 16 bits.
std::vector<float> IntegerProducts(bool int8, int rows, Isa isa) {
  const int n = 64, k = 300;
  const std::vector<float> values = Steps(n * k, 7), x = Steps(rows * k, 8);
  std::vector<uint8_t> data(n * k * 2);
  EncodeBf16Row(values.data(), n * k, reinterpret_cast<uint16_t*>(data.data()));
  const Packed packed({{WeightType::kBf16, n, k, data.data()}, 0, n, false, int8, !int8});
  std::vector<float> out(rows * n);
  GemmParams params{packed.m, x.data(), out.data(), rows, k, n};
  const QuantizedRows quantized(packed.m, x, rows, isa);
  quantized.Use(&params);
  GemmPanels(params, 0, packed.m.panels(), isa);
  return out;
}

// Three rows of a KV head with five queries each, over two splits.
std::vector<float> GroupedMixtures(Isa isa) {
  const int head_dim = 64, group = 5, rows = 3, queries = rows * group;
  const int64_t context = kGqaSplitTokens + 130, pages = context / kGqaPageTokens + 1;
  std::vector<int32_t> table(pages);
  for (int64_t i = 0; i < pages; ++i) table[i] = static_cast<int32_t>(pages - 1 - i);
  const std::vector<float> values = Steps(pages * kGqaPageTokens * 2 * head_dim, 21),
                           q = Steps(queries * head_dim, 22);
  std::vector<uint16_t> kv(values.size());
  EncodeBf16Row(values.data(), static_cast<int64_t>(values.size()), kv.data());
  const int64_t width = GqaWidth(head_dim);
  std::vector<float> max(2 * queries), sum(2 * queries), mix(2 * queries * width),
      scratch(GqaScratchFloats(head_dim)), out(queries * head_dim);
  for (int split = 0; split < 2; ++split) {
    GqaSplit({.head_dim = head_dim,
              .group = group,
              .rows = rows,
              .scale = 0.125f,
              .kv_bf16 = true,
              .kv = reinterpret_cast<const uint8_t*>(kv.data()),
              .page_stride = kGqaPageTokens * 4 * head_dim,
              .token_stride = 4 * head_dim,
              .value_offset = 2 * head_dim,
              .pages = table.data(),
              .token_begin = split * kGqaSplitTokens,
              .context = context,
              .q = q.data(),
              .q_stride = group * head_dim,
              .scratch = scratch.data(),
              .max = &max[split * queries],
              .sum = &sum[split * queries],
              .mix = &mix[split * queries * width]},
             isa);
  }
  GqaMerge({.splits = 2,
            .head_dim = head_dim,
            .group = group,
            .rows = rows,
            .max = max.data(),
            .sum = sum.data(),
            .mix = mix.data(),
            .out = out.data(),
            .out_stride = group * head_dim});
  return out;
}

// 70 rows of a prompt, the first at position 5.
std::vector<float> PromptMixtures(Isa isa) {
  const int width = 48, channels = 32, rows = 70, position = 5, tokens = rows + position;
  const int lanes = (rows + kMlaPromptRows - 1) / kMlaPromptRows * kMlaPromptRows;
  const int64_t stride = MlaPromptStride(width, channels);
  const std::vector<float> kv = Steps(tokens * stride, 31), q = Steps(rows * width, 32);
  std::vector<float> packed(lanes * width), max(lanes), sum(lanes), out(rows * channels);
  MlaPackPromptQuery({.q = q.data(),
                      .row_stride = width,
                      .rows = rows,
                      .width = width,
                      .scale = 0.3f,
                      .out = packed.data()});
  const MlaPromptParams params{.kv = kv.data(),
                               .stride = stride,
                               .width = width,
                               .channels = channels,
                               .tokens = tokens,
                               .q = packed.data(),
                               .rows = rows,
                               .position = position,
                               .max = max.data(),
                               .sum = sum.data(),
                               .mix = out.data(),
                               .mix_stride = channels};
  MlaPrompt(params, isa);
  MlaPromptFinish(params);
  return out;
}

// When this fails, an order of operations has changed: raise kOrderOfOperations, and put its digest
// here.
TEST(Order, BitsBelongToTheNumber) {
  EXPECT_EQ(kOrderOfOperations, 5);
  for (Isa isa : SupportedIsas()) {
    Fnv bits;
    for (WeightType type : kTypes)
      for (int rows : {1, 11}) bits.Add(Products(type, rows, isa));
    for (const auto& [heads, latent, rope] :
         {std::tuple{8, 128, 32}, std::tuple{16, 512, 64}, std::tuple{22, 64, 8}})
      for (KvType type : {KvType::kBf16, KvType::kInt16})
        bits.Add(Mixtures(type, heads, latent, rope, isa));
    EXPECT_EQ(bits.digest, 17712667417528875975u) << IsaName(isa);
  }
}

// The same for what else a model is computed with.
TEST(Order, OtherBitsBelongToTheNumberToo) {
  EXPECT_EQ(kOrderOfOperations, 5);
  for (Isa isa : SupportedIsas()) {
    Fnv bits;
    for (bool int8 : {false, true})
      for (int rows : {1, 11}) bits.Add(IntegerProducts(int8, rows, isa));
    bits.Add(GroupedMixtures(isa));
    bits.Add(PromptMixtures(isa));
    EXPECT_EQ(bits.digest, 3148861307880805354u) << IsaName(isa);
  }
}

}  // namespace
}  // namespace conclave::kernels
