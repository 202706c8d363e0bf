// The first exchange between two workers: who they are, where their data plane listens, and whether
// they compute the same model in the same way.
#pragma once

#include <cstdint>
#include <string>

#include "common/base/ids.h"
#include "common/base/status.h"

namespace conclave {

namespace v1 {
class PeerHello;
}

struct PeerIdentity {
  std::string id;  // member id
  Incarnation incarnation = 0;
  std::string transport_address;  // opaque
  uint64_t fingerprint = 0;       // of the model and compute mode
};

PeerIdentity PeerFromProto(const v1::PeerHello& proto);
void PeerToProto(const PeerIdentity& peer, v1::PeerHello* proto);

// InvalidArgument for an incomplete introduction; FailedPrecondition naming both fingerprints when
// they differ.
absl::Status CheckPeer(const PeerIdentity& self, const PeerIdentity& peer);

}  // namespace conclave
