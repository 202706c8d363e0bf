// The host's side of the expert plane: takes dispatches off the transport, batches those of one
// layer over all clients, computes them and answers each client. Bounded: beyond `max_queued_rows`
// it answers BUSY.
#pragma once

#include <functional>
#include <memory>

#include "common/engine/expert_backend.h"
#include "common/transport/transport.h"

namespace conclave {

struct ExpertServerOptions {
  int max_queued_rows = 65536;  // picks waiting over all clients
  int max_batch_rows = 4096;    // picks computed in one go
};

// Thread-safe. Owns one compute thread. Installs itself as handler of Channel::kExpertDispatch.
class ExpertServer {
 public:
  // Transport and experts must outlive it. `holds(layer, expert)` and `epoch()` are asked per
  // dispatch, from the progress and the compute thread, and must not block; holds is asked with
  // layers below 4096 and experts below 65536, whatever the model has. Picks that are not held are
  // answered NOT_HOSTED with their experts and the epoch, the whole message at once, so that the
  // client goes elsewhere.
  ExpertServer(Transport& transport, ExpertBackend& experts,
               std::function<bool(int layer, int expert)> holds, std::function<uint64_t()> epoch,
               const ExpertServerOptions& options);
  ~ExpertServer();  // no compute after it returned
  // Peers whose hello was accepted; dispatches of others are dropped and counted.
  void AddPeer(Incarnation incarnation, std::shared_ptr<Endpoint> endpoint);
  void RemovePeer(Incarnation incarnation);

  struct Counters {
    uint64_t dispatches = 0, picks = 0, batches = 0, not_hosted = 0, busy = 0, expired = 0,
             invalid = 0;
    uint64_t queued_rows = 0;  // now
  };
  Counters counters() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace conclave
