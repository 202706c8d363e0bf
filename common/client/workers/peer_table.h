// Peers that said hello to this worker, and the endpoints back to them.
#pragma once

#include <functional>
#include <memory>

#include "common/client/workers/hello.h"
#include "common/transport/transport.h"

namespace conclave {

// Thread-safe.
class PeerTable {
 public:
  // `added` is told of every new endpoint, `removed` of every incarnation that is gone; both come
  // from the thread of an Accept. `transport` must outlive the table. Either may be null.
  PeerTable(Transport& transport, PeerIdentity self,
            std::function<void(Incarnation, std::shared_ptr<Endpoint>)> added,
            std::function<void(Incarnation)> removed);
  ~PeerTable();

  const PeerIdentity& self() const { return self_; }
  // Checks the hello and connects back. A second hello of one incarnation replaces its endpoint:
  // the peer says so because something broke. Errors of CheckPeer and of Transport::Connect.
  // Forgets lost peers.
  absl::Status Accept(const PeerIdentity& peer);
  // Null when the peer never said hello or was lost since.
  std::shared_ptr<Endpoint> Find(Incarnation incarnation) const;

 private:
  struct Table;
  Transport& transport_;
  const PeerIdentity self_;
  const std::function<void(Incarnation, std::shared_ptr<Endpoint>)> added_;
  const std::function<void(Incarnation)> removed_;
  std::shared_ptr<Table> table_;  // shared with the callbacks of endpoints, which may outlive us
};

}  // namespace conclave
