#include "common/placement/layer_plan.h"

#include <algorithm>
#include <numeric>
#include <tuple>

#include "common/base/check.h"

namespace conclave {

LayerPlan::LayerPlan(int experts, int hosts, int copies, std::vector<std::vector<int>> kept,
                     const std::vector<int>& slots_so_far)
    : experts_(experts),
      hosts_(hosts),
      copies_(copies),
      holds_(hosts, std::vector<char>(experts, 0)),
      used_(hosts, 0) {
  CONCLAVE_CHECK(copies >= 1 && copies <= hosts);
  for (int e = 0; e < experts; ++e) {
    for (int host : kept[e]) {
      holds_[host][e] = 1;
      ++used_[host];
    }
  }
  DropSurplusCopies();
  SetQuotas(slots_so_far);
}

std::vector<std::vector<int>> LayerPlan::Solve() {
  DropSurplusSlots();
  Fill();
  std::vector<std::vector<int>> result(experts_);
  for (int e = 0; e < experts_; ++e) {
    for (int h = 0; h < hosts_; ++h) {
      if (Holds(h, e)) result[e].push_back(h);
    }
  }
  return result;
}

void LayerPlan::Put(int host, int expert) {
  holds_[host][expert] = 2;
  ++used_[host];
}

void LayerPlan::Take(int host, int expert) {
  holds_[host][expert] = 0;
  --used_[host];
}

int LayerPlan::CountOf(int expert) const {
  int count = 0;
  for (int h = 0; h < hosts_; ++h) count += Holds(h, expert) ? 1 : 0;
  return count;
}

// Fewer replicas than before: the fullest host gives its copy up.
void LayerPlan::DropSurplusCopies() {
  for (int e = 0; e < experts_; ++e) {
    for (int surplus = CountOf(e) - copies_; surplus > 0; --surplus) {
      int fullest = -1;
      for (int h = 0; h < hosts_; ++h) {
        if (Holds(h, e) && (fullest < 0 || used_[h] > used_[fullest])) fullest = h;
      }
      Take(fullest, e);
    }
  }
}

// Every host gets the same number of slots; the odd ones go where most copies would otherwise have
// to leave.
void LayerPlan::SetQuotas(const std::vector<int>& slots_so_far) {
  const int total = experts_ * copies_;
  quota_.assign(hosts_, total / hosts_);
  std::vector<int> order(hosts_);
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&](int a, int b) {
    return std::make_tuple(-used_[a], slots_so_far[a], a) <
           std::make_tuple(-used_[b], slots_so_far[b], b);
  });
  for (int i = 0; i < total % hosts_; ++i) ++quota_[order[i]];
}

// A host over its quota gives up the experts that have most copies left: no expert loses two
// needlessly.
void LayerPlan::DropSurplusSlots() {
  std::vector<int> count(experts_);
  for (int e = 0; e < experts_; ++e) count[e] = CountOf(e);
  for (int h = 0; h < hosts_; ++h) {
    while (used_[h] > quota_[h]) {
      int drop = -1;
      for (int e = 0; e < experts_; ++e) {
        if (Holds(h, e) && (drop < 0 || count[e] > count[drop])) drop = e;
      }
      Take(h, drop);
      --count[drop];
    }
  }
}

void LayerPlan::Fill() {
  for (int e = 0; e < experts_; ++e) {
    for (int missing = copies_ - CountOf(e); missing > 0; --missing) {
      const int host = HostWithRoom(e);
      if (host >= 0) {
        Put(host, e);
      } else if (!PlaceByChain(e)) {
        PlaceBySwap(e);
      }
    }
  }
}

int LayerPlan::HostWithRoom(int expert) const {
  int best = -1;
  for (int h = 0; h < hosts_; ++h) {
    if (used_[h] >= quota_[h] || Holds(h, expert)) continue;
    if (best < 0 || quota_[h] - used_[h] > quota_[best] - used_[best]) best = h;
  }
  return best;
}

// Breadth first over hosts: a full host can be entered by a copy that it lacks, and left by one
// that is new in this plan for any host that lacks that one; a host with room ends the chain. Kept
// copies stay untouched.
bool LayerPlan::PlaceByChain(int expert) {
  struct Step {
    int from = -1;   // the host that gives `moved` up, -1 at the start of the chain
    int moved = -1;  // the copy that enters this host
  };
  std::vector<Step> reached(hosts_);
  std::vector<int> queue;
  for (int h = 0; h < hosts_; ++h) {
    if (Holds(h, expert)) continue;
    reached[h] = {-1, expert};
    queue.push_back(h);
  }
  for (size_t i = 0; i < queue.size(); ++i) {
    const int host = queue[i];
    if (used_[host] < quota_[host]) {
      for (int to = host; to >= 0;) {  // walk back, moving as we go
        const Step step = reached[to];
        if (step.from >= 0) Take(step.from, step.moved);
        Put(to, step.moved);
        to = step.from;
      }
      return true;
    }
    for (int other = 0; other < experts_; ++other) {
      if (holds_[host][other] != 2) continue;
      for (int next = 0; next < hosts_; ++next) {
        if (reached[next].moved >= 0 || Holds(next, other)) continue;
        reached[next] = {host, other};
        queue.push_back(next);
      }
    }
  }
  return false;
}

// Every host with room holds `expert`, every host without it is full. Let `roomy` be one of the
// first kind and `full` one of the second. Quotas differ by at most one, so `full` holds at least
// as many experts as `roomy`, and since `roomy` holds `expert` and `full` does not, `full` has one
// that `roomy` lacks: it moves over. PlaceByChain found none that is new in this plan, so a kept
// copy has to move.
void LayerPlan::PlaceBySwap(int expert) {
  for (int roomy = 0; roomy < hosts_; ++roomy) {
    if (used_[roomy] >= quota_[roomy]) continue;
    for (int full = 0; full < hosts_; ++full) {
      if (Holds(full, expert)) continue;
      for (int other = 0; other < experts_; ++other) {
        if (!Holds(full, other) || Holds(roomy, other)) continue;
        Take(full, other);
        Put(roomy, other);
        Put(full, expert);
        return;
      }
    }
  }
  CONCLAVE_CHECK(false);
}

}  // namespace conclave
