#include "common/rpc/channel.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>

#include <map>

#include "common/base/mutex.h"
#include "common/rpc/background_poller.h"
#include "common/rpc/channel_arguments.h"

namespace conclave {
namespace {

class NetworkChannels : public ChannelProvider {
 public:
  std::shared_ptr<grpc::Channel> Get(const std::string& address) override {
    MutexLock lock(mu_);
    std::shared_ptr<grpc::Channel>& channel = channels_[address];
    if (channel == nullptr) {  // creating one does no I/O: it connects with its first call
      channel =
          grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), ClientArguments());
    }
    return channel;
  }

 private:
  BackgroundPoller poller_;
  Mutex mu_;
  std::map<std::string, std::shared_ptr<grpc::Channel>> channels_ GUARDED_BY(mu_);
};

void SetLimits(grpc::ChannelArguments& args) {
  args.SetMaxReceiveMessageSize(kMaxMessageBytes);
  args.SetMaxSendMessageSize(kMaxMessageBytes);
}

}  // namespace

grpc::ChannelArguments ClientArguments() {
  grpc::ChannelArguments args;
  args.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepaliveTimeMs);
  args.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kKeepaliveTimeoutMs);
  args.SetInt(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  args.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  args.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
  args.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 1000);  // also how long one attempt may take
  args.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 1000);
  args.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  SetLimits(args);
  return args;
}

grpc::ChannelArguments InProcessArguments() {
  grpc::ChannelArguments args;
  SetLimits(args);
  return args;
}

std::unique_ptr<ChannelProvider> MakeNetworkChannels() {
  return std::make_unique<NetworkChannels>();
}

}  // namespace conclave
