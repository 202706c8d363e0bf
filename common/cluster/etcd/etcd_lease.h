// A lease and the thread that keeps it.
#pragma once

#include <functional>
#include <memory>
#include <thread>

#include "common/cluster/etcd/etcd_client.h"
#include "common/cluster/store.h"

namespace conclave {

class EtcdLease : public Lease {
 public:
  // `granted_at`: before the grant was sent, so that we never believe in the lease longer than etcd
  // does.
  EtcdLease(std::shared_ptr<EtcdClient> client, int64_t id, std::chrono::seconds ttl,
            SteadyTime granted_at, std::function<void()> lost);
  ~EtcdLease() override;
  int64_t id() const override { return id_; }

 private:
  void Run(SteadyTime granted_at);
  // Seconds left, 0 when etcd does not know the lease any more.
  absl::StatusOr<int64_t> Renew(SteadyTime deadline);
  void Revoke();

  const std::shared_ptr<EtcdClient> client_;
  const int64_t id_;
  const std::chrono::seconds ttl_;
  const std::function<void()> lost_;
  Interrupt interrupt_;
  bool held_ = true;  // written by the thread, read after joining it
  std::thread thread_;
};

}  // namespace conclave
