// The client over a channel of one's own, for example into a server of the same process.
#pragma once

#include <grpcpp/channel.h>

#include <memory>

#include "common/client/inference/client.h"

namespace conclave {

std::unique_ptr<Client> MakeClient(std::shared_ptr<grpc::Channel> channel);

}  // namespace conclave
