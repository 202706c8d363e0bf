#include "common/rpc/health_client.h"

#include "common/rpc/raw_call.h"

namespace conclave {
namespace {

// grpc.health.v1: the request's field 1 is the service name (empty for the whole server), the
// response's field 1 an enum in which 1 is SERVING.
constexpr char kServingResponse[] = "\x08\x01";

}  // namespace

absl::StatusOr<bool> CheckHealth(const std::shared_ptr<grpc::Channel>& channel,
                                 SteadyTime deadline) {
  ASSIGN_OR_RETURN(const std::string response,
                   CallRaw(channel, "/grpc.health.v1.Health/Check", "", deadline));
  return response == kServingResponse;
}

}  // namespace conclave
