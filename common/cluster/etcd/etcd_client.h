// Calls to etcd: endpoints in turn, deadlines, error texts.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/base/clock.h"
#include "common/base/status.h"
#include "common/cluster/etcd/interrupt.h"
#include "common/rpc/background_poller.h"
#include "proto/etcd/rpc.grpc.pb.h"

namespace conclave {

// The first key after all keys with this prefix: etcd's range_end. For the empty prefix "\0", which
// together with the key "\0" means everything.
std::string PrefixEnd(const std::string& prefix);

// Thread-safe. Channels reconnect by themselves with a back-off of at most a second.
class EtcdClient {
 public:
  struct Endpoint {
    std::string address;  // "host:port"
    std::unique_ptr<etcdserverpb::KV::Stub> kv;
    std::unique_ptr<etcdserverpb::Lease::Stub> lease;
    std::unique_ptr<etcdserverpb::Watch::Stub> watch;
  };
  using CallFn = std::function<grpc::Status(Endpoint& endpoint, grpc::ClientContext* context)>;

  static absl::StatusOr<std::shared_ptr<EtcdClient>> Make(const std::string& endpoints);

  // Runs `call` on the current endpoint. One that cannot be reached hands over to the next; with
  // `repeat`, for calls that may be carried out twice, the call is then tried there too, once each.
  // `interrupt` may be null. The error names the call, the endpoint and what to do.
  absl::Status Call(const char* name, SteadyTime deadline, bool repeat, Interrupt* interrupt,
                    const CallFn& call);

  // Everything under a prefix, in key order, with the store's revision at that time.
  absl::Status Range(const std::string& prefix, SteadyTime deadline, Interrupt* interrupt,
                     etcdserverpb::RangeResponse* response);

  Endpoint& current() { return *endpoints_[current_.load() % endpoints_.size()]; }
  // After `failed` did not answer: others are asked first from now on.
  void Rotate(const Endpoint& failed);
  std::string addresses() const;

 private:
  EtcdClient() = default;
  BackgroundPoller poller_;
  std::vector<std::unique_ptr<Endpoint>> endpoints_;  // const after Make
  std::atomic<size_t> current_{0};
};

// A gRPC deadline for a point on the steady clock.
std::chrono::system_clock::time_point GrpcDeadline(SteadyTime deadline);

}  // namespace conclave
