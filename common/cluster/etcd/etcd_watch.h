// A watch on a prefix and the thread that follows it.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "common/cluster/etcd/etcd_client.h"
#include "common/cluster/store.h"

namespace conclave {

class EtcdWatch : public Watch {
 public:
  EtcdWatch(std::shared_ptr<EtcdClient> client, std::string prefix,
            std::function<void(const StoreUpdate&)> on_update);
  ~EtcdWatch() override;

 private:
  void Run();
  // Reports the whole prefix, then its changes until the stream breaks. Whether the first part
  // succeeded.
  absl::Status Follow(bool* synced);
  absl::Status ReadStream(int64_t start_revision);
  void Report(bool reset, std::vector<StoreEvent> events);

  const std::shared_ptr<EtcdClient> client_;
  const std::string prefix_;
  const std::function<void(const StoreUpdate&)> on_update_;
  Interrupt interrupt_;
  std::thread thread_;
};

}  // namespace conclave
