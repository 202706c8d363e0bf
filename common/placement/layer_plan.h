// One layer's assignment of experts to hosts; included by this folder's .cc files only.
#pragma once

#include <vector>

namespace conclave {

// Every expert gets `copies` distinct hosts (copies <= hosts), hosts' slot counts differ by at most
// one, and as many of the kept copies stay as those two allow. Deterministic. Not thread-safe;
// Solve once.
class LayerPlan {
 public:
  // `kept`: host indices per expert, distinct. `slots_so_far`: per host over earlier layers; hosts
  // with fewer get the odd slots.
  LayerPlan(int experts, int hosts, int copies, std::vector<std::vector<int>> kept,
            const std::vector<int>& slots_so_far);
  std::vector<std::vector<int>> Solve();  // [experts][copies], ascending host indices

 private:
  void SetQuotas(const std::vector<int>& slots_so_far);
  void DropSurplusCopies();
  void DropSurplusSlots();
  void Fill();
  // A host that may take a copy of `expert`, -1 when all with room hold it already.
  int HostWithRoom(int expert) const;
  // Makes room along a chain of moves of copies that are new in this plan. False when there is
  // none.
  bool PlaceByChain(int expert);
  // Makes room by moving one other expert: always possible when HostWithRoom finds none.
  void PlaceBySwap(int expert);
  bool Holds(int host, int expert) const { return holds_[host][expert] != 0; }
  void Put(int host, int expert);
  void Take(int host, int expert);
  int CountOf(int expert) const;

  const int experts_, hosts_, copies_;
  std::vector<std::vector<char>> holds_;  // [hosts][experts]: 0 no, 1 kept, 2 new in this plan
  std::vector<int> used_, quota_;         // [hosts]
};

}  // namespace conclave
