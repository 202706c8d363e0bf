// Channels to other roles. Two implementations: TCP, and in-process servers found by name (for
// `conclave serve` and tests), so that services never know which one they run on.
#pragma once

#include <grpcpp/channel.h>

#include <memory>
#include <string>

namespace conclave {

// Thread-safe. Channels are cached per address and reconnect by themselves.
class ChannelProvider {
 public:
  virtual ~ChannelProvider() = default;
  virtual std::shared_ptr<grpc::Channel> Get(const std::string& address) = 0;
};

// "host:port". Keepalive finds a cut connection after about two seconds.
std::unique_ptr<ChannelProvider> MakeNetworkChannels();

}  // namespace conclave
