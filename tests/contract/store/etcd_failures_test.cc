// What only a real etcd can do: be unreachable, freeze, die and come back.
#include <gtest/gtest.h>

#include "common/base/ids.h"
#include "common/client/cluster/cluster_client.h"
#include "common/cluster/etcd/etcd_client.h"
#include "common/cluster/etcd/etcd_store.h"
#include "tests/contract/store/recorder.h"
#include "tests/support/etcd_process.h"

namespace conclave {
namespace {

class EtcdFailures : public testing::Test {
 protected:
  void SetUp() override {
    auto etcd = EtcdProcess::Start();
    ASSERT_TRUE(etcd.ok()) << etcd.status();
    etcd_ = std::move(*etcd);
    auto store = ConnectEtcd(etcd_->endpoint(), Soon());
    ASSERT_TRUE(store.ok()) << store.status();
    store_ = std::move(*store);
  }
  // After a restart the first calls may still find the old connection broken.
  absl::Status PutUntilItWorks(const std::string& key, const std::string& value) {
    absl::Status status;
    for (const SteadyTime deadline = Soon(); Now() < deadline;) {
      status = store_->Put(key, value, 0, After(std::chrono::milliseconds(1000))).status();
      if (status.ok()) break;
    }
    return status;
  }

  std::unique_ptr<EtcdProcess> etcd_;
  std::unique_ptr<Store> store_;
};

TEST(EtcdConnect, UnreachableIsUnavailableAndNamesTheEndpoint) {
  const auto store = ConnectEtcd("127.0.0.1:1", After(std::chrono::milliseconds(300)));
  ASSERT_TRUE(absl::IsUnavailable(store.status())) << store.status();
  EXPECT_NE(Message(store.status()).find("127.0.0.1:1"), std::string::npos) << store.status();
  EXPECT_NE(Message(store.status()).find("start etcd"), std::string::npos) << store.status();
}

TEST(EtcdConnect, MalformedEndpointsAreInvalid) {
  for (const char* text :
       {"", "localhost", "https://localhost:2379", "localhost:port", ":2379", "a:1,,b:2"}) {
    const auto store = ConnectEtcd(text, After(std::chrono::milliseconds(300)));
    EXPECT_TRUE(absl::IsInvalidArgument(store.status())) << text << ": " << store.status();
  }
}

TEST_F(EtcdFailures, SecondEndpointServesWhenTheFirstIsDead) {
  const auto store = ConnectEtcd("127.0.0.1:1,http://" + etcd_->endpoint() + "/", Soon());
  ASSERT_TRUE(store.ok()) << store.status();
  EXPECT_TRUE((*store)->Put("a", "x", 0, Soon()).ok());
}

TEST_F(EtcdFailures, LeaseThatNobodyKeepsExpires) {
  auto client = *EtcdClient::Make(etcd_->endpoint());
  etcdserverpb::LeaseGrantRequest request;
  request.set_ttl(2);
  etcdserverpb::LeaseGrantResponse grant;
  ASSERT_TRUE(client
                  ->Call("LeaseGrant", Soon(), true, nullptr,
                         [&](EtcdClient::Endpoint& e, grpc::ClientContext* c) {
                           return e.lease->LeaseGrant(c, request, &grant);
                         })
                  .ok());
  Recorder seen;
  const auto watch = store_->WatchPrefix("m/", seen.callback());
  ASSERT_TRUE(store_->Put("m/dead", "x", grant.id(), Soon()).ok());
  EXPECT_TRUE(seen.Wait([](const Recorder& r) { return r.history().size() == 2; }));
  EXPECT_EQ(seen.history().back().type, StoreEvent::Type::kDelete);
}

TEST_F(EtcdFailures, FrozenEtcdCostsTheDeadlineAndTheLease) {
  Cell<bool> lost;
  const auto lease = store_->GrantLease(
      std::chrono::seconds(2), [&] { lost.Set(true); }, Soon());
  ASSERT_TRUE(lease.ok());
  etcd_->Freeze();
  const auto value = store_->Get("a", After(std::chrono::milliseconds(200)));
  EXPECT_TRUE(absl::IsDeadlineExceeded(value.status()) || absl::IsUnavailable(value.status()))
      << value.status();
  EXPECT_TRUE(lost.WaitFor(true));
  etcd_->Thaw();
  EXPECT_TRUE(PutUntilItWorks("a", "x").ok());
}

TEST_F(EtcdFailures, WatchResumesWithEverythingAfterARestart) {
  ASSERT_TRUE(store_->Put("w/kept", "1", 0, Soon()).ok());
  Recorder seen;
  const auto watch = store_->WatchPrefix("w/", seen.callback());
  ASSERT_TRUE(seen.Wait([](const Recorder& r) { return r.known().size() == 1; }));
  Cell<bool> lost;
  const auto lease = store_->GrantLease(
      std::chrono::seconds(2), [&] { lost.Set(true); }, Soon());
  ASSERT_TRUE(lease.ok());
  etcd_->Kill();
  EXPECT_TRUE(lost.WaitFor(true));
  const auto value = store_->Get("w/kept", After(std::chrono::milliseconds(2000)));
  EXPECT_TRUE(absl::IsUnavailable(value.status()) || absl::IsDeadlineExceeded(value.status()))
      << value.status();
  ASSERT_TRUE(etcd_->Restart().ok());
  const absl::Status put = PutUntilItWorks("w/new", "2");
  ASSERT_TRUE(put.ok()) << put;
  EXPECT_TRUE(
      seen.Wait([](const Recorder& r) { return r.resets() >= 2 && r.known().size() == 2; }));
}

TEST_F(EtcdFailures, MembersServeDuringAnOutageAndRegisterAgain) {
  ClusterClientOptions options;
  options.lease_ttl = std::chrono::seconds(2);
  ClusterClient worker(*store_, options), observer(*store_, options);
  Cell<int> members;
  const auto handle = observer.OnChange(
      [&] { members.Set(static_cast<int>(observer.Members(Role::kDecode).size())); });
  MemberInfo self;
  self.id = "decode-0";
  self.role = Role::kDecode;
  self.incarnation = 7;
  ASSERT_TRUE(worker.Register(self, Soon()).ok());
  Cell<bool> leader;
  const auto election = worker.Campaign("eplb", [&](bool l) { leader.Set(l); });
  ASSERT_TRUE(members.WaitFor(1));
  ASSERT_TRUE(leader.WaitFor(true));
  const int64_t old_lease = worker.lease_id();
  etcd_->Kill();
  ASSERT_TRUE(leader.WaitFor(false));  // its lease ran out
  EXPECT_EQ(observer.Members(Role::kDecode).size(), 1u);
  ASSERT_TRUE(etcd_->Restart().ok());
  ASSERT_TRUE(leader.WaitFor(true));
  EXPECT_NE(worker.lease_id(), old_lease);
  EXPECT_TRUE(members.WaitFor(1));
  worker.Withdraw();
  EXPECT_TRUE(members.WaitFor(0));
}

}  // namespace
}  // namespace conclave
