#include "common/client/workers/hello.h"

#include "proto/conclave/v1/prefill.pb.h"

namespace conclave {

PeerIdentity PeerFromProto(const v1::PeerHello& proto) {
  return {.id = proto.member_id(),
          .incarnation = proto.incarnation(),
          .transport_address = proto.transport_address(),
          .fingerprint = proto.fingerprint()};
}

void PeerToProto(const PeerIdentity& peer, v1::PeerHello* proto) {
  proto->set_member_id(peer.id);
  proto->set_incarnation(peer.incarnation);
  proto->set_transport_address(peer.transport_address);
  proto->set_fingerprint(peer.fingerprint);
}

absl::Status CheckPeer(const PeerIdentity& self, const PeerIdentity& peer) {
  if (peer.id.empty() || peer.incarnation == 0 || peer.transport_address.empty()) {
    return InvalidArgument(
        "incomplete hello: member id \"{}\", incarnation {}, {} bytes of transport address",
        peer.id, peer.incarnation, peer.transport_address.size());
  }
  if (peer.fingerprint != self.fingerprint) {
    return FailedPrecondition(
        "{} has model fingerprint {:016x}, {} has {:016x}: start all workers of a cluster with the "
        "same "
        "checkpoint, --mode and --kv-cache",
        peer.id, peer.fingerprint, self.id, self.fingerprint);
  }
  return absl::OkStatus();
}

}  // namespace conclave
