// The contract of Store and Election, on every backend.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/base/ids.h"
#include "common/cluster/election.h"
#include "common/cluster/etcd/etcd_client.h"
#include "common/cluster/etcd/etcd_store.h"
#include "common/cluster/memory_store.h"
#include "tests/contract/store/recorder.h"
#include "tests/support/etcd_process.h"

namespace conclave {
namespace {

class Backend {
 public:
  virtual ~Backend() = default;
  virtual Store& store() = 0;
  virtual void EndLease(int64_t lease) = 0;  // behind its owner's back, as if it had expired
};

class MemoryBackend : public Backend {
 public:
  Store& store() override { return *store_; }
  void EndLease(int64_t lease) override { store_->ExpireLease(lease); }

 private:
  std::unique_ptr<MemoryStore> store_ = MakeMemoryStore();
};

class EtcdBackend : public Backend {
 public:
  explicit EtcdBackend(const std::string& endpoint)
      : store_(*ConnectEtcd(endpoint, Soon())), client_(*EtcdClient::Make(endpoint)) {}
  Store& store() override { return *store_; }
  void EndLease(int64_t lease) override {
    etcdserverpb::LeaseRevokeRequest request;
    request.set_id(lease);
    const absl::Status status = client_->Call("LeaseRevoke", Soon(), true, nullptr,
                                              [&](EtcdClient::Endpoint& e, grpc::ClientContext* c) {
                                                etcdserverpb::LeaseRevokeResponse response;
                                                return e.lease->LeaseRevoke(c, request, &response);
                                              });
    ASSERT_TRUE(status.ok()) << status;
  }

 private:
  std::unique_ptr<Store> store_;
  std::shared_ptr<EtcdClient> client_;
};

class StoreContract : public testing::TestWithParam<std::string> {
 protected:
  static void SetUpTestSuite() {
    auto etcd = EtcdProcess::Start();
    ASSERT_TRUE(etcd.ok()) << etcd.status();
    etcd_ = std::move(*etcd);
  }
  static void TearDownTestSuite() { etcd_.reset(); }
  void SetUp() override {
    if (GetParam() == "memory") {
      backend_ = std::make_unique<MemoryBackend>();
    } else {
      ASSERT_NE(etcd_, nullptr);
      backend_ = std::make_unique<EtcdBackend>(etcd_->endpoint());
    }
  }
  Store& store() { return backend_->store(); }
  std::string Key(const std::string& name) const { return root_ + name; }

  static std::unique_ptr<EtcdProcess> etcd_;
  std::unique_ptr<Backend> backend_;
  const std::string root_ = "/" + RandomName("test") + "/";  // tests share one etcd
};
std::unique_ptr<EtcdProcess> StoreContract::etcd_;

TEST_P(StoreContract, GetReturnsWhatWasPut) {
  EXPECT_EQ(*store().Get(Key("a"), Soon()), std::nullopt);
  const std::string bytes("a\0\xff z", 5);
  const auto revision = store().Put(Key("a"), bytes, 0, Soon());
  ASSERT_TRUE(revision.ok()) << revision.status();
  const auto kv = store().Get(Key("a"), Soon());
  ASSERT_TRUE(kv.ok() && kv->has_value());
  EXPECT_EQ((*kv)->key, Key("a"));
  EXPECT_EQ((*kv)->value, bytes);
  EXPECT_EQ((*kv)->mod_revision, *revision);
}

TEST_P(StoreContract, RevisionsGrow) {
  const int64_t first = *store().Put(Key("a"), "1", 0, Soon());
  const int64_t second = *store().Put(Key("b"), "2", 0, Soon());
  EXPECT_GT(first, 0);
  EXPECT_GT(second, first);
  EXPECT_EQ((*store().Get(Key("a"), Soon()))->mod_revision, first);
}

TEST_P(StoreContract, ListIsOrderedAndKeepsToThePrefix) {
  for (const char* name : {"m/2", "m/1", "m0", "m/10", "l/1"}) {
    ASSERT_TRUE(store().Put(Key(name), name, 0, Soon()).ok());
  }
  const auto list = store().List(Key("m/"), Soon());
  ASSERT_TRUE(list.ok()) << list.status();
  std::vector<std::string> values;
  for (const KeyValue& kv : *list) values.push_back(kv.value);
  EXPECT_THAT(values, testing::ElementsAre("m/1", "m/10", "m/2"));
}

TEST_P(StoreContract, CompareAndPutWritesOnlyOverTheExpectedRevision) {
  EXPECT_TRUE(*store().CompareAndPut(Key("a"), 0, "first", 0, Soon()));
  EXPECT_FALSE(*store().CompareAndPut(Key("a"), 0, "second", 0, Soon()));
  const int64_t revision = (*store().Get(Key("a"), Soon()))->mod_revision;
  EXPECT_FALSE(*store().CompareAndPut(Key("a"), revision + 1, "second", 0, Soon()));
  EXPECT_TRUE(*store().CompareAndPut(Key("a"), revision, "third", 0, Soon()));
  EXPECT_EQ((*store().Get(Key("a"), Soon()))->value, "third");
}

TEST_P(StoreContract, DeleteIsIdempotent) {
  ASSERT_TRUE(store().Put(Key("a"), "x", 0, Soon()).ok());
  EXPECT_TRUE(store().Delete(Key("a"), Soon()).ok());
  EXPECT_EQ(*store().Get(Key("a"), Soon()), std::nullopt);
  EXPECT_TRUE(store().Delete(Key("a"), Soon()).ok());
}

TEST_P(StoreContract, PassedDeadlineIsDeadlineExceeded) {
  const SteadyTime past = Now() - std::chrono::seconds(1);
  EXPECT_TRUE(absl::IsDeadlineExceeded(store().Get(Key("a"), past).status()));
  EXPECT_TRUE(absl::IsDeadlineExceeded(store().Put(Key("a"), "x", 0, past).status()));
  EXPECT_TRUE(absl::IsDeadlineExceeded(store().Delete(Key("a"), past)));
  EXPECT_EQ(*store().Get(Key("a"), Soon()), std::nullopt);
}

TEST_P(StoreContract, WatchShowsThePrefixThenItsChangesInOrder) {
  ASSERT_TRUE(store().Put(Key("w/old"), "1", 0, Soon()).ok());
  Recorder seen;
  const auto watch = store().WatchPrefix(Key("w/"), seen.callback());
  ASSERT_TRUE(seen.Wait([&](const Recorder& r) { return r.resets() == 1; }));
  EXPECT_EQ(seen.known().size(), 1u);
  ASSERT_TRUE(store().Put(Key("w/new"), "2", 0, Soon()).ok());
  ASSERT_TRUE(store().Put(Key("elsewhere"), "3", 0, Soon()).ok());
  const int64_t last = *store().Put(Key("w/new"), "4", 0, Soon());
  ASSERT_TRUE(store().Delete(Key("w/old"), Soon()).ok());
  ASSERT_TRUE(seen.Wait([](const Recorder& r) { return r.history().size() == 4; }));
  EXPECT_EQ(seen.history()[1].kv.value, "2");
  EXPECT_EQ(seen.history()[2].kv.value, "4");
  EXPECT_EQ(seen.history()[2].kv.mod_revision, last);
  EXPECT_EQ(seen.history()[3].type, StoreEvent::Type::kDelete);
  EXPECT_EQ(seen.history()[3].kv.key, Key("w/old"));
  EXPECT_GT(seen.history()[3].kv.mod_revision, last);
  EXPECT_EQ(seen.history()[3].kv.value, "");
}

TEST_P(StoreContract, DestroyedWatchIsSilent) {
  Recorder gone, stays;
  auto watch = store().WatchPrefix(Key(""), gone.callback());
  const auto other = store().WatchPrefix(Key(""), stays.callback());
  ASSERT_TRUE(gone.Wait([](const Recorder& r) { return r.resets() == 1; }));
  watch.reset();
  ASSERT_TRUE(store().Put(Key("a"), "x", 0, Soon()).ok());
  ASSERT_TRUE(stays.Wait([](const Recorder& r) { return r.known().size() == 1; }));
  EXPECT_TRUE(gone.history().empty());
}

TEST_P(StoreContract, RevokedLeaseTakesItsKeysAlongAndSaysNothing) {
  Recorder seen;
  const auto watch = store().WatchPrefix(Key(""), seen.callback());
  Cell<bool> lost;
  auto lease = store().GrantLease(
      std::chrono::seconds(5), [&] { lost.Set(true); }, Soon());
  ASSERT_TRUE(lease.ok()) << lease.status();
  ASSERT_NE((*lease)->id(), 0);
  ASSERT_TRUE(store().Put(Key("leased"), "x", (*lease)->id(), Soon()).ok());
  ASSERT_TRUE(store().Put(Key("moved"), "x", (*lease)->id(), Soon()).ok());
  ASSERT_TRUE(store().Put(Key("moved"), "y", 0, Soon()).ok());  // belongs to no lease any more
  ASSERT_TRUE(seen.Wait([](const Recorder& r) { return r.known().size() == 2; }));
  lease->reset();
  ASSERT_TRUE(seen.Wait([](const Recorder& r) { return r.known().size() == 1; }));
  EXPECT_EQ(seen.known().begin()->first, Key("moved"));
  EXPECT_FALSE(lost.Get());
}

TEST_P(StoreContract, EndedLeaseIsToldAndTakesItsKeysAlong) {
  Recorder seen;
  const auto watch = store().WatchPrefix(Key(""), seen.callback());
  Cell<bool> lost;
  const auto lease = store().GrantLease(
      std::chrono::seconds(2), [&] { lost.Set(true); }, Soon());
  ASSERT_TRUE(lease.ok()) << lease.status();
  ASSERT_TRUE(*store().CompareAndPut(Key("a"), 0, "x", (*lease)->id(), Soon()));
  ASSERT_TRUE(seen.Wait([](const Recorder& r) { return r.known().size() == 1; }));
  backend_->EndLease((*lease)->id());
  EXPECT_TRUE(lost.WaitFor(true));
  EXPECT_TRUE(
      seen.Wait([](const Recorder& r) { return r.known().empty() && r.history().size() == 2; }));
}

TEST_P(StoreContract, UnknownLeaseIsNotFound) {
  EXPECT_TRUE(absl::IsNotFound(store().Put(Key("a"), "x", 123456789, Soon()).status()));
  EXPECT_TRUE(
      absl::IsNotFound(store().CompareAndPut(Key("a"), 0, "x", 123456789, Soon()).status()));
}

TEST_P(StoreContract, ElectionHasOneLeaderAndHandsOver) {
  Cell<bool> first, second, lost;
  auto lease1 = store().GrantLease(
      std::chrono::seconds(2), [&] { lost.Set(true); }, Soon());
  auto lease2 = store().GrantLease(std::chrono::seconds(5), nullptr, Soon());
  ASSERT_TRUE(lease1.ok() && lease2.ok());
  auto one = Election::Campaign(store(), Key("leader"), "one", (*lease1)->id(),
                                [&](bool l) { first.Set(l); });
  ASSERT_TRUE(first.WaitFor(true));
  EXPECT_TRUE(one->IsLeader());
  auto two = Election::Campaign(store(), Key("leader"), "two", (*lease2)->id(),
                                [&](bool l) { second.Set(l); });
  EXPECT_FALSE(two->IsLeader());
  backend_->EndLease((*lease1)->id());
  EXPECT_TRUE(first.WaitFor(false));
  EXPECT_TRUE(second.WaitFor(true));
  EXPECT_FALSE(one->IsLeader());
  EXPECT_TRUE(two->IsLeader());
}

TEST_P(StoreContract, DestroyedElectionResigns) {
  Cell<bool> first, second;
  auto lease1 = store().GrantLease(std::chrono::seconds(5), nullptr, Soon());
  auto lease2 = store().GrantLease(std::chrono::seconds(5), nullptr, Soon());
  ASSERT_TRUE(lease1.ok() && lease2.ok());
  auto one = Election::Campaign(store(), Key("leader"), "one", (*lease1)->id(),
                                [&](bool l) { first.Set(l); });
  ASSERT_TRUE(first.WaitFor(true));
  auto two = Election::Campaign(store(), Key("leader"), "two", (*lease2)->id(),
                                [&](bool l) { second.Set(l); });
  one.reset();
  EXPECT_TRUE(second.WaitFor(true));
  EXPECT_TRUE(first.Get());  // resigning is no news to the one who does it
}

INSTANTIATE_TEST_SUITE_P(Backends, StoreContract, testing::Values("memory", "etcd"),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace conclave
