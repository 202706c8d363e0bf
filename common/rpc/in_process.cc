#include "common/rpc/in_process.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>

#include <functional>

#include "common/base/ids.h"
#include "common/rpc/channel_arguments.h"

namespace conclave {

bool InProcessNetwork::Impl::Add(const std::string& name, std::shared_ptr<grpc::Channel> channel) {
  MutexLock lock(mu_);
  return channels_.emplace(name, std::move(channel)).second;
}

void InProcessNetwork::Impl::Remove(const std::string& name) {
  std::shared_ptr<grpc::Channel> last;  // destroyed outside the lock
  MutexLock lock(mu_);
  const auto it = channels_.find(name);
  if (it == channels_.end()) return;
  last = std::move(it->second);
  channels_.erase(it);
}

std::shared_ptr<grpc::Channel> InProcessNetwork::Impl::Find(const std::string& name) {
  MutexLock lock(mu_);
  const auto it = channels_.find(name);
  return it == channels_.end() ? nullptr : it->second;
}

namespace {

class InProcessChannels : public ChannelProvider {
 public:
  using Finder = std::function<std::shared_ptr<grpc::Channel>(const std::string&)>;
  explicit InProcessChannels(Finder find) : find_(std::move(find)) {}

  std::shared_ptr<grpc::Channel> Get(const std::string& address) override {
    if (std::shared_ptr<grpc::Channel> channel = find_(address)) return channel;
    // An abstract socket that nobody listens on: every call fails with UNAVAILABLE at once.
    return grpc::CreateCustomChannel(
        "unix-abstract:" + RandomName("no-in-process-server-" + address + "-"),
        grpc::InsecureChannelCredentials(), ClientArguments());
  }

 private:
  const Finder find_;
};

}  // namespace

InProcessNetwork::InProcessNetwork() : impl_(std::make_shared<Impl>()) {}
InProcessNetwork::~InProcessNetwork() = default;

std::unique_ptr<ChannelProvider> InProcessNetwork::Channels() {
  return std::make_unique<InProcessChannels>(
      [table = impl_](const std::string& name) { return table->Find(name); });
}

}  // namespace conclave
