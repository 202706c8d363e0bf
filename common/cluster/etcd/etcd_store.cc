#include "common/cluster/etcd/etcd_store.h"

#include <algorithm>
#include <utility>

#include "common/cluster/etcd/etcd_client.h"
#include "common/cluster/etcd/etcd_lease.h"
#include "common/cluster/etcd/etcd_watch.h"

namespace conclave {
namespace {

using Endpoint = EtcdClient::Endpoint;

class EtcdStore : public Store {
 public:
  explicit EtcdStore(std::shared_ptr<EtcdClient> client) : client_(std::move(client)) {}

  absl::StatusOr<std::optional<KeyValue>> Get(const std::string& key, SteadyTime deadline) override;
  absl::StatusOr<std::vector<KeyValue>> List(const std::string& prefix,
                                             SteadyTime deadline) override;
  absl::StatusOr<int64_t> Put(const std::string& key, const std::string& value, int64_t lease,
                              SteadyTime deadline) override;
  absl::StatusOr<bool> CompareAndPut(const std::string& key, int64_t expected,
                                     const std::string& value, int64_t lease,
                                     SteadyTime deadline) override;
  absl::Status Delete(const std::string& key, SteadyTime deadline) override;
  absl::StatusOr<std::unique_ptr<Lease>> GrantLease(std::chrono::seconds ttl,
                                                    std::function<void()> lost,
                                                    SteadyTime deadline) override;
  std::unique_ptr<Watch> WatchPrefix(const std::string& prefix,
                                     std::function<void(const StoreUpdate&)> on_update) override {
    return std::make_unique<EtcdWatch>(client_, prefix, std::move(on_update));
  }

 private:
  const std::shared_ptr<EtcdClient> client_;  // leases and watches share it
};

absl::StatusOr<std::optional<KeyValue>> EtcdStore::Get(const std::string& key,
                                                       SteadyTime deadline) {
  etcdserverpb::RangeRequest request;
  request.set_key(key);
  etcdserverpb::RangeResponse response;
  RETURN_IF_ERROR(client_->Call(
      "Range", deadline, true, nullptr,
      [&](Endpoint& e, grpc::ClientContext* c) { return e.kv->Range(c, request, &response); }));
  if (response.kvs().empty()) return std::optional<KeyValue>();
  const mvccpb::KeyValue& kv = response.kvs(0);
  return std::optional<KeyValue>(KeyValue{kv.key(), kv.value(), kv.mod_revision()});
}

absl::StatusOr<std::vector<KeyValue>> EtcdStore::List(const std::string& prefix,
                                                      SteadyTime deadline) {
  etcdserverpb::RangeResponse response;
  RETURN_IF_ERROR(client_->Range(prefix, deadline, nullptr, &response));
  std::vector<KeyValue> result;
  for (const mvccpb::KeyValue& kv : response.kvs())
    result.push_back({kv.key(), kv.value(), kv.mod_revision()});
  return result;
}

absl::StatusOr<int64_t> EtcdStore::Put(const std::string& key, const std::string& value,
                                       int64_t lease, SteadyTime deadline) {
  etcdserverpb::PutRequest request;
  request.set_key(key);
  request.set_value(value);
  request.set_lease(lease);
  etcdserverpb::PutResponse response;
  RETURN_IF_ERROR(client_->Call(
      "Put", deadline, true, nullptr,
      [&](Endpoint& e, grpc::ClientContext* c) { return e.kv->Put(c, request, &response); }));
  return response.header().revision();
}

absl::StatusOr<bool> EtcdStore::CompareAndPut(const std::string& key, int64_t expected,
                                              const std::string& value, int64_t lease,
                                              SteadyTime deadline) {
  etcdserverpb::TxnRequest request;
  etcdserverpb::Compare& compare = *request.add_compare();
  compare.set_result(etcdserverpb::Compare::EQUAL);
  compare.set_target(etcdserverpb::Compare::MOD);
  compare.set_key(key);
  compare.set_mod_revision(expected);
  etcdserverpb::PutRequest& put = *request.add_success()->mutable_request_put();
  put.set_key(key);
  put.set_value(value);
  put.set_lease(lease);
  etcdserverpb::TxnResponse response;
  // Not repeated: had the lost first attempt been carried out, the second would report false.
  RETURN_IF_ERROR(client_->Call(
      "Txn", deadline, false, nullptr,
      [&](Endpoint& e, grpc::ClientContext* c) { return e.kv->Txn(c, request, &response); }));
  return response.succeeded();
}

absl::Status EtcdStore::Delete(const std::string& key, SteadyTime deadline) {
  etcdserverpb::DeleteRangeRequest request;
  request.set_key(key);
  etcdserverpb::DeleteRangeResponse response;
  return client_->Call("DeleteRange", deadline, true, nullptr,
                       [&](Endpoint& e, grpc::ClientContext* c) {
                         return e.kv->DeleteRange(c, request, &response);
                       });
}

absl::StatusOr<std::unique_ptr<Lease>> EtcdStore::GrantLease(std::chrono::seconds ttl,
                                                             std::function<void()> lost,
                                                             SteadyTime deadline) {
  if (ttl.count() < 1) return InvalidArgument("a lease of {} s, must be at least 1", ttl.count());
  etcdserverpb::LeaseGrantRequest request;
  request.set_ttl(ttl.count());
  etcdserverpb::LeaseGrantResponse response;
  const SteadyTime sent = Now();
  RETURN_IF_ERROR(client_->Call("LeaseGrant", deadline, true, nullptr,
                                [&](Endpoint& e, grpc::ClientContext* c) {
                                  return e.lease->LeaseGrant(c, request, &response);
                                }));
  if (!response.error().empty()) return Unavailable("etcd refused a lease: {}", response.error());
  return std::unique_ptr<Lease>(std::make_unique<EtcdLease>(
      client_, response.id(), std::chrono::seconds(response.ttl()), sent, std::move(lost)));
}

}  // namespace

absl::StatusOr<std::unique_ptr<Store>> ConnectEtcd(const std::string& endpoints,
                                                   SteadyTime deadline) {
  ASSIGN_OR_RETURN(std::shared_ptr<EtcdClient> client, EtcdClient::Make(endpoints));
  auto store = std::make_unique<EtcdStore>(client);
  Interrupt pause;  // nobody stops it: the deadline does
  absl::Status status;
  const SteadyTime begin = Now();
  while (true) {
    // With several endpoints a frozen one must not use up all the time.
    status =
        store->Get("conclave", std::min(deadline, After(std::chrono::milliseconds(2000)))).status();
    if (status.ok()) return std::unique_ptr<Store>(std::move(store));
    if (!absl::IsUnavailable(status) && !absl::IsDeadlineExceeded(status)) return status;
    if (Now() >= deadline) break;
    pause.SleepUntil(std::min(deadline, After(std::chrono::milliseconds(100))));
  }
  return Unavailable(
      "etcd at {} did not answer within {:.1f} s: start etcd there, or give the right address ({})",
      client->addresses(), SecondsSince(begin), Message(status));
}

}  // namespace conclave
