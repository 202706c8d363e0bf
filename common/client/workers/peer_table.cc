#include "common/client/workers/peer_table.h"

#include <map>
#include <vector>

#include "common/base/log.h"
#include "common/base/mutex.h"

namespace conclave {

struct PeerTable::Table {
  struct Peer {
    std::string id;
    uint64_t serial = 0;
    bool lost = false;
    std::shared_ptr<Endpoint> endpoint;
  };
  Mutex mu;
  uint64_t next_serial GUARDED_BY(mu) = 1;
  std::map<Incarnation, Peer> peers GUARDED_BY(mu);
};

PeerTable::PeerTable(Transport& transport, PeerIdentity self,
                     std::function<void(Incarnation, std::shared_ptr<Endpoint>)> added,
                     std::function<void(Incarnation)> removed)
    : transport_(transport),
      self_(std::move(self)),
      added_(std::move(added)),
      removed_(std::move(removed)),
      table_(std::make_shared<Table>()) {}

PeerTable::~PeerTable() {
  std::map<Incarnation, Table::Peer> peers;  // endpoints close outside the lock
  MutexLock lock(table_->mu);
  peers.swap(table_->peers);
}

absl::Status PeerTable::Accept(const PeerIdentity& peer) {
  RETURN_IF_ERROR(CheckPeer(self_, peer));
  uint64_t serial = 0;
  std::vector<std::pair<Incarnation, Table::Peer>> gone;
  {
    MutexLock lock(table_->mu);
    serial = table_->next_serial++;
    for (auto it = table_->peers.begin(); it != table_->peers.end();) {
      // An older life of the same member will not come back either.
      if (it->second.lost || (it->second.id == peer.id && it->first != peer.incarnation)) {
        gone.emplace_back(it->first, std::move(it->second));
        it = table_->peers.erase(it);
      } else {
        ++it;
      }
    }
  }
  for (const auto& [incarnation, lost] : gone) {
    if (removed_) removed_(incarnation);
  }
  gone.clear();

  auto lost_early = std::make_shared<bool>(false);
  auto connected = transport_.Connect(
      peer.transport_address, [weak = std::weak_ptr<Table>(table_), incarnation = peer.incarnation,
                               serial, id = peer.id, lost_early](absl::Status why) {
        LogWarning("peer lost", {{"peer", id}, {"why", Message(why)}});
        auto table = weak.lock();
        if (table == nullptr) return;
        MutexLock lock(table->mu);
        *lost_early = true;
        auto it = table->peers.find(incarnation);
        if (it != table->peers.end() && it->second.serial == serial) it->second.lost = true;
      });
  if (!connected.ok()) return Annotate(connected.status(), "connecting back to " + peer.id);
  std::shared_ptr<Endpoint> replaced;
  {
    MutexLock lock(table_->mu);
    Table::Peer& entry = table_->peers[peer.incarnation];
    replaced = std::move(entry.endpoint);
    entry = {.id = peer.id, .serial = serial, .lost = *lost_early, .endpoint = *connected};
  }
  if (added_) added_(peer.incarnation, *connected);
  LogInfo("peer connected", {{"peer", peer.id}});
  return absl::OkStatus();
}

std::shared_ptr<Endpoint> PeerTable::Find(Incarnation incarnation) const {
  std::shared_ptr<Endpoint> endpoint;
  {
    MutexLock lock(table_->mu);
    auto it = table_->peers.find(incarnation);
    if (it == table_->peers.end() || it->second.lost) return nullptr;
    endpoint = it->second.endpoint;
  }
  return endpoint->Health().ok() ? endpoint : nullptr;
}

}  // namespace conclave
