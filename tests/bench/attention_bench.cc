// Latent attention on one thread as a share of the multiply-add peak, which is measured around
// every line so that a changing clock shows in both. Usage: attention_bench [context tokens]
#include <sys/mman.h>
#include <time.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "kernels/attention/mla.h"
#include "kernels/gemm/gemm.h"

namespace conclave::kernels {
namespace {

double Now(clockid_t clock) {
  timespec t;
  clock_gettime(clock, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}
// Long bodies by this thread's processor time, so that neighbours on the core count less; short
// ones by the wall.
template <typename F>
double Seconds(const F& body, clockid_t clock = CLOCK_THREAD_CPUTIME_ID) {
  const double start = Now(clock);
  body();
  return Now(clock) - start;
}

#if defined(__x86_64__)
// Chains of multiply-adds in registers; the fastest of some rounds, flop.
constexpr int kRounds = 20000;
__attribute__((target("avx512f"))) void FmasAvx512() {
  using Float16 [[gnu::vector_size(64)]] = float;
  Float16 a[16] = {}, m = a[0] + 0.999f;
  for (int i = 0; i < kRounds; ++i) {
#pragma GCC unroll 16
    for (int j = 0; j < 16; ++j) asm volatile("vfmadd231ps %1, %1, %0" : "+v"(a[j]) : "v"(m));
  }
}
__attribute__((target("avx2,fma"))) void FmasAvx2() {
  using Float8 [[gnu::vector_size(32)]] = float;
  Float8 a[12] = {}, m = a[0] + 0.999f;
  for (int i = 0; i < kRounds; ++i) {
#pragma GCC unroll 12
    for (int j = 0; j < 12; ++j) asm volatile("vfmadd231ps %1, %1, %0" : "+x"(a[j]) : "x"(m));
  }
}
double Peak(Isa isa) {
  double best = 1e9;
  for (int repeat = 0; repeat < 5; ++repeat)
    best = std::min(best, Seconds(isa == Isa::kAvx512 ? FmasAvx512 : FmasAvx2, CLOCK_MONOTONIC));
  return kRounds * (isa == Isa::kAvx512 ? 16.0 * 32 : 12.0 * 16) / best;
}
#else
double Peak(Isa) { return 1e9; }
#endif

// In huge pages, as the engine's cache; never freed.
template <typename T>
T* Memory(int64_t count, int fill) {
  const size_t bytes = (count * sizeof(T) + (2 << 20)) / (2 << 20) * (2 << 20);
  void* p = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (p == MAP_FAILED) std::abort();
  madvise(p, bytes, MADV_HUGEPAGE);
  std::memset(p, fill, bytes);
  return static_cast<T*>(p);
}

struct Shape {
  const char* name;
  int heads, latent, rope, layers;
};

// One decode step of one sequence: `layers` caches, so that they come from memory as in a real
// step.
void Decode(const Shape& s, KvType type, int64_t context, Isa isa) {
  const MlaCacheShape cache{type, s.latent, s.rope};
  const int64_t pages = (context + 63) / 64, page_bytes = 64 * cache.TokenBytes();
  constexpr int64_t kCold = 256 << 20;
  static const uint8_t* const cold = Memory<uint8_t>(kCold, 1);
  uint8_t* kv = Memory<uint8_t>(s.layers * pages * page_bytes, 0x11);
  std::vector<int32_t> table(pages);
  for (int64_t i = 0; i < pages; ++i) table[i] = static_cast<int32_t>(i);
  const int64_t partial = MlaPartialFloats(s.heads, cache),
                splits = (context + kMlaSplitTokens - 1) / kMlaSplitTokens;
  std::vector<float> q_latent(s.heads * s.latent, 0.01f), q_rope(s.heads * s.rope, 0.01f),
      q(MlaQueryFloats(s.heads, cache)), out(q_latent.size());
  float* scratch = Memory<float>(MlaScratchFloats(cache), 0);
  float* parts = Memory<float>(splits * partial, 0);
  const auto attend = [&](int layer) {
    {
      MlaPackQuery({.shape = cache,
                    .heads = s.heads,
                    .scale = 0.1f,
                    .q_latent = q_latent.data(),
                    .q_rope = q_rope.data(),
                    .rope_stride = s.rope,
                    .out = q.data()},
                   isa);
      const auto span = [&](int64_t split) -> MlaSpan {
        return {table.data(), split * kMlaSplitTokens,
                std::min<int64_t>(context, (split + 1) * kMlaSplitTokens)};
      };
      for (int64_t split = 0; split < splits; ++split) {
        float* part = &parts[split * partial];
        MlaSplit({.shape = cache,
                  .heads = s.heads,
                  .kv = &kv[layer * pages * page_bytes],
                  .page_stride = page_bytes,
                  .span = span(split),
                  .next = split + 1 < splits ? span(split + 1) : MlaSpan{},
                  .q = q.data(),
                  .scratch = scratch,
                  .max = part,
                  .sum = part + MlaLanes(s.heads),
                  .mix = part + 2 * MlaLanes(s.heads)},
                 isa);
      }
      MlaMerge({.shape = cache,
                .heads = s.heads,
                .head_end = s.heads,
                .into = parts,
                .parts = parts + partial,
                .count = static_cast<int>(splits - 1)},
               isa);
      MlaNormalise(parts, cache, nullptr, s.heads, 0, s.heads, out.data());
    }
  };
  const double flops =
      2.0 * s.layers * s.heads * (2 * s.latent + s.rope) * static_cast<double>(context);
  // One layer at a time, between two measurements of the peak: those that differ were disturbed.
  std::vector<double> shares, layer_seconds;
  unsigned sink = 0;
  for (int repeat = 0; repeat < 60 / s.layers; ++repeat) {
    for (int64_t i = 0; i < kCold; i += 64) sink += cold[i];  // the cache leaves the caches
    for (int layer = 0; layer < s.layers; ++layer) {
      const double before = Peak(isa), seconds = Seconds([&] { attend(layer); }), after = Peak(isa);
      if (std::abs(before / after - 1) > 0.04) continue;
      shares.push_back(flops / s.layers / seconds / std::max(before, after));
      layer_seconds.push_back(seconds);
    }
  }
  if (shares.empty()) return static_cast<void>(std::printf("%s: too noisy\n", s.name));
  std::sort(shares.begin(), shares.end());
  std::sort(layer_seconds.begin(), layer_seconds.end());
  const char* types[] = {"f32", "bf16", "fp8", "int16"};
  std::printf(
      "%-17s %-5s %-7s context %5lld: %7.3f ms a token, %4.1f %% of peak (best tenth %4.1f)%s\n",
      s.name, types[static_cast<int>(type)], IsaName(isa).data(), static_cast<long long>(context),
      layer_seconds[shares.size() / 10] * s.layers * 1e3, 100 * shares[shares.size() / 2],
      100 * shares[shares.size() - 1 - shares.size() / 10], sink == 1 ? "." : "");
}

}  // namespace
}  // namespace conclave::kernels

int main(int argc, char** argv) {
  using namespace conclave::kernels;
  const int64_t context = argc > 1 ? std::max(1, std::atoi(argv[1])) : 4096;
  const Shape shapes[] = {{"v2lite, 16 heads", 16, 512, 64, 6},
                          {"tiny, 8 heads", 8, 128, 32, 8},
                          {"v3, 128 heads", 128, 512, 64, 2}};
  const Isa isa = BestIsa();
  if (isa == Isa::kPortable) return std::puts("no vector unit to measure against"), 1;
  for (const Shape& shape : shapes)
    for (const KvType type : {KvType::kF32, KvType::kBf16, KvType::kFp8, KvType::kInt16})
      Decode(shape, type, context, isa);
  Decode(shapes[0], KvType::kInt16, context, Isa::kAvx2);
}
