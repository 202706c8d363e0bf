#include "services/router/workers.h"

#include "common/base/digest.h"
#include "common/routing/least_loaded.h"

namespace conclave {

WorkerSelector::WorkerSelector(MembersFn members, int decode_capacity, int prefill_capacity)
    : members_(std::move(members)),
      decode_capacity_(decode_capacity),
      prefill_capacity_(prefill_capacity) {}

WorkerSelector::Lease::Lease(WorkerSelector& selector, MemberInfo decode,
                             std::vector<MemberInfo> prefill)
    : selector_(selector), decode_(std::move(decode)), prefill_(std::move(prefill)) {
  selector_.Count(decode_.id, 1);
  selector_.Count(prefill_.front().id, 1);
}

WorkerSelector::Lease::~Lease() {
  PrefillDone();
  selector_.Count(decode_.id, -1);
}

void WorkerSelector::Lease::PrefillDone() {
  if (!prefill_counted_) return;
  prefill_counted_ = false;
  selector_.Count(prefill_.front().id, -1);
}

std::vector<std::string> WorkerSelector::Lease::PrefillAddresses() const {
  std::vector<std::string> addresses;
  for (const MemberInfo& worker : prefill_) addresses.push_back(worker.grpc_address);
  return addresses;
}

void WorkerSelector::Count(const std::string& id, int change) {
  MutexLock lock(mu_);
  const int now = in_flight_[id] += change;
  if (now <= 0) in_flight_.erase(id);
}

std::vector<MemberInfo> WorkerSelector::Rank(const std::vector<MemberInfo>& members, int capacity,
                                             uint64_t request_hash) {
  std::vector<WorkerLoad> loads;
  {
    MutexLock lock(mu_);
    for (const MemberInfo& member : members) {
      const auto count = in_flight_.find(member.id);
      loads.push_back({member.id, count == in_flight_.end() ? 0 : count->second, capacity});
    }
  }
  std::vector<MemberInfo> ranked;
  for (const std::string& id : RankByLoad(std::move(loads), request_hash)) {
    for (const MemberInfo& member : members) {
      if (member.id == id) ranked.push_back(member);
    }
  }
  return ranked;
}

absl::StatusOr<std::unique_ptr<WorkerSelector::Lease>> WorkerSelector::Pick(
    const std::string& request_id, const std::string& except) {
  const uint64_t hash = Digest(request_id.data(), request_id.size());
  std::vector<MemberInfo> decode = members_(Role::kDecode);
  std::erase_if(decode, [&](const MemberInfo& member) { return member.id == except; });
  if (decode.empty()) {
    return except.empty()
               ? Unavailable("no decode worker is registered; start one with `conclave decode`")
               : Unavailable("no decode worker beside {} is registered", except);
  }
  const std::vector<MemberInfo> prefill = members_(Role::kPrefill);
  if (prefill.empty())
    return Unavailable("no prefill worker is registered; start one with `conclave prefill`");
  return std::make_unique<Lease>(*this, Rank(decode, decode_capacity_, hash).front(),
                                 Rank(prefill, prefill_capacity_, hash));
}

}  // namespace conclave
