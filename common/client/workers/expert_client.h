// Control calls to expert hosts. Blocking, with deadlines.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "common/base/clock.h"
#include "common/base/status.h"
#include "common/client/workers/hello.h"
#include "common/rpc/channel.h"

namespace conclave {

struct ExpertHostStatus {
  uint64_t epoch = 0;           // of the newest map whose experts are all loaded there
  uint32_t hosted_experts = 0;  // (layer, expert) pairs
  int64_t resident_bytes = 0;
};

// Thread-safe. `channels` must outlive it.
class ExpertClient {
 public:
  virtual ~ExpertClient() = default;
  // Introduces us and checks the answer. FailedPrecondition for another fingerprint, Unavailable
  // while the host still loads its experts or is gone.
  virtual absl::StatusOr<PeerIdentity> Hello(const std::string& address, SteadyTime deadline) = 0;
  virtual absl::StatusOr<ExpertHostStatus> Status(const std::string& address,
                                                  SteadyTime deadline) = 0;
};

std::unique_ptr<ExpertClient> MakeExpertClient(ChannelProvider& channels, const PeerIdentity& self);

}  // namespace conclave
