#include "common/routing/least_loaded.h"

#include <algorithm>
#include <utility>

#include "common/base/digest.h"

namespace conclave {
namespace {

struct Ranked {
  WorkerLoad load;
  uint64_t tie = 0;
};

bool Better(const Ranked& a, const Ranked& b) {
  // in_flight / capacity as fractions, multiplied out: no rounding decides.
  const int64_t left = int64_t{a.load.in_flight} * b.load.capacity;
  const int64_t right = int64_t{b.load.in_flight} * a.load.capacity;
  if (left != right) return left < right;
  if (a.tie != b.tie) return a.tie < b.tie;
  return a.load.id < b.load.id;
}

}  // namespace

std::vector<std::string> RankByLoad(std::vector<WorkerLoad> workers, uint64_t request_hash) {
  std::vector<Ranked> ranked;
  ranked.reserve(workers.size());
  for (WorkerLoad& worker : workers) {
    if (worker.capacity < 1) continue;
    const uint64_t tie = Digest(worker.id.data(), worker.id.size(), request_hash);
    ranked.push_back({std::move(worker), tie});
  }
  std::sort(ranked.begin(), ranked.end(), Better);
  std::vector<std::string> ids;
  ids.reserve(ranked.size());
  for (Ranked& r : ranked) ids.push_back(std::move(r.load.id));
  return ids;
}

}  // namespace conclave
