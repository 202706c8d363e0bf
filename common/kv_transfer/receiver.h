// The decode side of a KV hand-off (law 3). A session names its owner, generation and lengths; what
// arrives is copied into the session's pages only while the session is open and only where it
// belongs; the caller gets the pages as readable after every extent of the manifest arrived and its
// digest agrees.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "common/base/clock.h"
#include "common/base/ids.h"
#include "common/base/status.h"
#include "common/engine/kv_cache.h"
#include "common/transport/transport.h"

namespace conclave {

struct HandoffTicket {
  uint64_t session = 0;
  uint64_t generation = 0;
  Incarnation owner = 0;
  uint32_t prompt_tokens = 0;
  uint32_t layers = 0;
  uint32_t token_bytes = 0;
};

struct HandoffExtent {
  uint32_t layer = 0;
  uint32_t block = 0;
  uint32_t bytes = 0;
  uint64_t digest = 0;
};

struct HandoffManifest {
  uint64_t session = 0;
  uint64_t generation = 0;
  Incarnation source = 0;
  std::vector<HandoffExtent> extents;
};

// Thread-safe. Installs itself as the transport's handler for Channel::kKvPush; transport and cache
// must outlive it. The owner named in its tickets is the transport's incarnation.
class KvReceiver {
 public:
  KvReceiver(Transport& transport, KvCache& cache);
  ~KvReceiver();  // closes every session

  // `pages` (in prompt order, one per started block) are written by pushes until Close; `layers`
  // main layers are expected.
  HandoffTicket Open(uint64_t generation, uint32_t prompt_tokens, uint32_t layers,
                     std::vector<int32_t> pages);
  // Waits until all extents of the manifest have arrived and verifies them: DataLoss (which extent,
  // which digests) when one differs or was pushed by another source than the manifest's,
  // InvalidArgument when the manifest does not cover the prompt exactly or names another session or
  // generation, DeadlineExceeded with the missing extents, Cancelled when the session is closed
  // meanwhile.
  absl::Status Verify(const HandoffManifest& manifest, SteadyTime deadline);
  // After it returned nothing writes the session's pages any more; late pushes are dropped and
  // counted.
  void Close(uint64_t session);

  struct Counters {
    uint64_t extents = 0, bytes = 0;  // accepted
    uint64_t dropped_stale = 0;       // unknown or closed session, other generation or owner
    uint64_t dropped_invalid = 0;     // bounds or duplicate extents
    uint64_t digest_failures = 0;
  };
  Counters counters() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace conclave
