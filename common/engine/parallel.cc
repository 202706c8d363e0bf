#include "common/engine/parallel.h"

#include <algorithm>
#include <vector>

namespace conclave {
namespace {

// One thread's share of a GEMM is a multiple of this many tiles, so that few-row kernels stay wide.
constexpr int kTileGrain = 4;
// Pieces per thread: enough to even out threads that were descheduled.
constexpr int kPiecesPerThread = 4;

struct Piece {
  int gemm;
  int tile_begin;
  int tile_end;
};

}  // namespace

void ParallelFor(ThreadPool& pool, int items, int64_t work,
                 const std::function<void(int item)>& body) {
  if (items > 1 && pool.threads() > 1 && work >= kInlineWork) return pool.Run(items, body);
  for (int item = 0; item < items; ++item) body(item);
}

void RunGemms(ThreadPool& pool, kernels::Isa isa, std::span<const kernels::GemmParams> gemms) {
  int64_t work = 0;
  for (const auto& g : gemms) work += static_cast<int64_t>(g.rows) * g.w.n * g.w.k;
  if (work == 0) return;
  if (pool.threads() == 1 || work < kInlineWork) {
    for (const auto& g : gemms) kernels::GemmTiles(g, 0, g.w.tiles(), isa);
    return;
  }
  const int64_t piece_work =
      std::max<int64_t>(work / (pool.threads() * kPiecesPerThread), kInlineWork / 4);
  std::vector<Piece> pieces;
  for (int i = 0; i < static_cast<int>(gemms.size()); ++i) {
    const auto& g = gemms[i];
    const int64_t tile_work =
        std::max<int64_t>(static_cast<int64_t>(g.rows) * kernels::kTile * g.w.k, 1);
    const int64_t grain = (piece_work / tile_work + kTileGrain - 1) / kTileGrain * kTileGrain;
    const int step =
        static_cast<int>(std::clamp<int64_t>(grain, kTileGrain, std::max(g.w.tiles(), kTileGrain)));
    for (int tile = 0; tile < g.w.tiles() && g.rows > 0; tile += step)
      pieces.push_back({i, tile, std::min(tile + step, g.w.tiles())});
  }
  pool.Run(static_cast<int>(pieces.size()), [&](int task) {
    const Piece& p = pieces[task];
    kernels::GemmTiles(gemms[p.gemm], p.tile_begin, p.tile_end, isa);
  });
}

kernels::GemmParams DenseGemm(const Linear& w, const float* x, float* out, int rows) {
  return {.w = w.m, .x = x, .out = out, .rows = rows, .x_stride = w.m.k, .out_stride = w.m.n};
}

}  // namespace conclave
