#include "common/client/workers/expert_client.h"

#include <grpcpp/client_context.h>

#include "common/client/workers/call_deadline.h"
#include "common/rpc/status_convert.h"
#include "proto/conclave/v1/expert.grpc.pb.h"

namespace conclave {
namespace {

class Client : public ExpertClient {
 public:
  Client(ChannelProvider& channels, PeerIdentity self)
      : channels_(channels), self_(std::move(self)) {}

  absl::StatusOr<PeerIdentity> Hello(const std::string& address, SteadyTime deadline) override {
    grpc::ClientContext context;
    SetCallDeadline(context, deadline);
    v1::PeerHello hello, answer;
    PeerToProto(self_, &hello);
    auto stub = v1::Expert::NewStub(channels_.Get(address));
    RETURN_IF_ERROR(Annotate(FromGrpc(stub->Hello(&context, hello, &answer)),
                             "hello to expert host " + address));
    PeerIdentity host = PeerFromProto(answer);
    RETURN_IF_ERROR(CheckPeer(self_, host));
    return host;
  }

  absl::StatusOr<ExpertHostStatus> Status(const std::string& address,
                                          SteadyTime deadline) override {
    grpc::ClientContext context;
    SetCallDeadline(context, deadline);
    v1::ExpertStatusResponse answer;
    auto stub = v1::Expert::NewStub(channels_.Get(address));
    RETURN_IF_ERROR(Annotate(FromGrpc(stub->Status(&context, {}, &answer)),
                             "status of expert host " + address));
    return ExpertHostStatus{.epoch = answer.epoch(),
                            .hosted_experts = answer.hosted_experts(),
                            .resident_bytes = answer.resident_bytes()};
  }

 private:
  ChannelProvider& channels_;
  const PeerIdentity self_;
};

}  // namespace

std::unique_ptr<ExpertClient> MakeExpertClient(ChannelProvider& channels,
                                               const PeerIdentity& self) {
  return std::make_unique<Client>(channels, self);
}

}  // namespace conclave
