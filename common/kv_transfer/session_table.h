// The open hand-off sessions of one receiver and the guard around their pages: bytes are copied
// only between Begin and End of an accepted extent, and Close waits for copies that run.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "common/base/mutex.h"
#include "common/kv_transfer/push_header.h"
#include "common/kv_transfer/receiver.h"

namespace conclave {

// Thread-safe.
class SessionTable {
 public:
  SessionTable(Incarnation owner, uint32_t token_bytes)
      : owner_(owner), token_bytes_(token_bytes) {}

  HandoffTicket Open(uint64_t generation, uint32_t prompt_tokens, uint32_t layers,
                     std::vector<int32_t> pages);

  // Where one accepted extent belongs.
  struct Slot {
    uint64_t session = 0;
    size_t extent = 0;
    int32_t page = 0;
    uint32_t layer = 0;
    uint32_t bytes = 0;
  };
  // True when the push is of an open session and a missing extent of it; then the caller copies and
  // calls End. Otherwise counts why not.
  bool Begin(const KvPushHeader& header, size_t payload_bytes, Slot* slot);
  void End(const Slot& slot);

  // Waits until every extent of the session arrived; then lists them in the order of (layer, block)
  // with the page, the bytes and who pushed it. The pages stay guarded until Release: Close waits
  // for it.
  struct Arrived {
    Slot slot;
    uint64_t source = 0;
    uint64_t digest = 0;  // as its push announced it
  };
  absl::StatusOr<std::vector<Arrived>> Acquire(const HandoffManifest& manifest,
                                               SteadyTime deadline);
  void Release(uint64_t session);

  // Returns when nothing writes or reads the session's pages.
  void Close(uint64_t session);
  void CloseAll();

  KvReceiver::Counters counters() const;
  void CountInvalid();
  void CountDigestFailure();

 private:
  enum class State : uint8_t { kMissing, kCopying, kPresent };
  struct Extent {
    State state = State::kMissing;
    uint64_t source = 0;
    uint64_t digest = 0;
  };
  struct Session {
    HandoffTicket ticket;
    std::vector<int32_t> pages;
    std::vector<Extent> extents;  // [layers, blocks]
    size_t missing = 0;
    int users = 0;  // copies and verifications in progress
    bool closed = false;
  };

  uint32_t BlockBytes(const HandoffTicket& ticket, uint32_t block) const;
  absl::Status CheckCover(const Session& session, const HandoffManifest& manifest) const;
  static std::string DescribeMissing(const Session& session);

  const Incarnation owner_;
  const uint32_t token_bytes_;
  mutable Mutex mu_;
  CondVar changed_;  // an extent arrived, a session closed, a user left
  uint64_t last_session_ GUARDED_BY(mu_) = 0;
  std::unordered_map<uint64_t, std::unique_ptr<Session>> sessions_ GUARDED_BY(mu_);
  KvReceiver::Counters counters_ GUARDED_BY(mu_);
};

}  // namespace conclave
