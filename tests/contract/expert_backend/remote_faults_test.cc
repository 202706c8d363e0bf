// What goes wrong between RemoteExperts and its hosts, and what the caller sees of it: nothing but
// time.
#include <gtest/gtest.h>

#include <thread>

#include "common/remote_experts/wire.h"
#include "tests/contract/expert_backend/expert_cluster.h"
#include "tests/contract/transport/collector.h"

namespace conclave {
namespace {

using std::chrono::milliseconds;

class RemoteFaultsTest : public testing::TestWithParam<const char*> {
 protected:
  void Start(int hosts, RemoteExpertsOptions options = {},
             ExpertServerOptions server_options = {}) {
    cluster_ = std::make_unique<ExpertCluster>(GetParam(), hosts, options, server_options);
    // Ready asks for one replica of each expert: with one each, for every host.
    cluster_->Place(1, [&](int e) { return std::vector<int>{e % hosts}; });
    ASSERT_TRUE(cluster_->AwaitReady().ok());
    cluster_->PlaceEverywhere(++epoch_);
  }
  absl::Status Run(TestBatch& batch) {
    auto call = cluster_->remote().Dispatch(batch.rows, batch.out.data());
    if (!call.ok()) return call.status();
    return (*call)->Wait();
  }

  uint64_t epoch_ = 1;
  std::unique_ptr<ExpertCluster> cluster_;
};

RemoteExpertsOptions Patient() {  // no hedging within a test
  RemoteExpertsOptions options;
  options.attempt_timeout = milliseconds(60000);
  return options;
}

TEST_P(RemoteFaultsTest, AHostThatGoesInTheMiddleOfACallIsReplaced) {
  Start(2, Patient());
  cluster_->Place(++epoch_, [](int) { return std::vector<int>{0}; });
  cluster_->host(0).experts.Hold();
  TestBatch batch(1, 40, 64, kTestExperts, 4, 1);
  auto call = cluster_->remote().Dispatch(batch.rows, batch.out.data());
  ASSERT_TRUE(call.ok());
  cluster_->host(0).experts.AwaitCalls(1);
  cluster_->PlaceEverywhere(++epoch_);
  cluster_->host(0).transport->Stop();
  const absl::Status status = (*call)->Wait();
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_TRUE(batch.OutputIsExact());
  EXPECT_GE(cluster_->remote().counters().retries_lost, 1u);
  EXPECT_GE(cluster_->host(1).experts.calls(), 1);
}

TEST_P(RemoteFaultsTest, AFrozenHostIsHedged) {
  RemoteExpertsOptions options;
  options.attempt_timeout = milliseconds(30);
  Start(2, options);
  cluster_->host(0).experts.Hold();
  TestBatch batch(1, 64, 64, kTestExperts, 4, 2);
  const absl::Status status = Run(batch);
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_TRUE(batch.OutputIsExact());
  EXPECT_GE(cluster_->remote().counters().retries_late, 1u);
  // Its late answer is dropped and touches nothing.
  std::fill(batch.out.begin(), batch.out.end(), -12345.0f);
  cluster_->host(0).experts.Release();
  TestBatch after(2, 64, 64, kTestExperts, 4, 3);
  EXPECT_TRUE(Run(after).ok());
  EXPECT_TRUE(after.OutputIsExact());
  EXPECT_TRUE(batch.OutputIsUntouched());
}

TEST_P(RemoteFaultsTest, TheOnlyHostIsAskedAgainWhenItIsLate) {
  RemoteExpertsOptions options;
  options.attempt_timeout = milliseconds(10);
  Start(1, options);
  cluster_->host(0).experts.Hold();
  TestBatch batch(1, 10, 64, kTestExperts, 4, 4);
  auto call = cluster_->remote().Dispatch(batch.rows, batch.out.data());
  ASSERT_TRUE(call.ok());
  std::thread waiter([&] {
    EXPECT_TRUE((*call)->Wait().ok());
    EXPECT_TRUE(batch.OutputIsExact());
  });
  const SteadyTime deadline = After(kTestPatience);
  while (cluster_->remote().counters().retries_late == 0 && Now() < deadline)
    std::this_thread::yield();
  EXPECT_GE(cluster_->remote().counters().retries_late, 1u);
  cluster_->host(0).experts.Release();
  waiter.join();
}

TEST_P(RemoteFaultsTest, NotHostedGoesToAnotherReplica) {
  Start(2, Patient());
  {
    MutexLock lock(cluster_->host(0).mu);
    for (int e = 0; e < kTestExperts; e += 2) cluster_->host(0).not_held.insert(e);
  }
  for (uint32_t seed = 0; seed < 5; ++seed) {
    TestBatch batch(1, 64, 64, kTestExperts, 4, seed);
    const absl::Status status = Run(batch);
    EXPECT_TRUE(status.ok()) << status;
    EXPECT_TRUE(batch.OutputIsExact());
  }
  EXPECT_GE(cluster_->remote().counters().retries_not_hosted, 1u);
}

TEST_P(RemoteFaultsTest, AnExpertThatNobodyHoldsIsUnavailableByName) {
  RemoteExpertsOptions options = Patient();
  options.no_replica_grace = milliseconds(120);
  Start(2, options);
  for (int i = 0; i < 2; ++i) {
    MutexLock lock(cluster_->host(i).mu);
    cluster_->host(i).not_held.insert(7);
  }
  TestBatch batch(2, 64, 64, kTestExperts, 8, 5);
  const absl::Status status = Run(batch);
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable) << status;
  for (const char* part : {"expert 7", "layer 2", "host-0", "host-1"}) {
    EXPECT_NE(Message(status).find(part), std::string::npos) << status;
  }
}

TEST_P(RemoteFaultsTest, ANewMapSavesACallThatHasNobody) {
  RemoteExpertsOptions options = Patient();
  options.no_replica_grace = milliseconds(20000);
  Start(2, options);
  cluster_->Place(100, [](int) { return std::vector<int>{}; });
  EXPECT_EQ(cluster_->remote().Ready().code(), absl::StatusCode::kUnavailable);
  TestBatch batch(1, 16, 64, kTestExperts, 4, 6);
  auto call = cluster_->remote().Dispatch(batch.rows, batch.out.data());
  ASSERT_TRUE(call.ok());
  std::thread waiter([&] {
    const absl::Status status = (*call)->Wait();
    EXPECT_TRUE(status.ok()) << status;
  });
  cluster_->Place(99, [](int) { return std::vector<int>{1}; });  // older: ignored
  EXPECT_EQ(cluster_->remote().epoch(), 100u);
  cluster_->Place(101, [](int) { return std::vector<int>{1}; });
  waiter.join();
  EXPECT_TRUE(batch.OutputIsExact());
}

TEST_P(RemoteFaultsTest, MapsThatChangeUnderTrafficNeverShow) {
  Start(3);
  std::atomic<bool> end{false};
  std::thread mover([&] {
    for (uint64_t epoch = 1000; !end; ++epoch) {
      cluster_->Place(epoch, [&](int e) {
        return std::vector<int>{static_cast<int>((epoch + e) % 3),
                                static_cast<int>((epoch + e + 1) % 3)};
      });
      std::this_thread::yield();
    }
  });
  for (uint32_t seed = 0; seed < 60; ++seed) {
    TestBatch batch(1 + seed % 3, 33, 64, kTestExperts, 4, seed);
    const absl::Status status = Run(batch);
    EXPECT_TRUE(status.ok()) << status;
    EXPECT_TRUE(batch.OutputIsExact());
  }
  end = true;
  mover.join();
}

TEST_P(RemoteFaultsTest, ABusyHostIsAskedAgain) {
  ExpertServerOptions small;
  small.max_queued_rows = 40;
  small.max_batch_rows = 20;
  Start(1, Patient(), small);
  cluster_->host(0).experts.Hold();
  std::vector<std::thread> threads;
  std::atomic<int> exact{0};
  for (uint32_t t = 0; t < 6; ++t) {
    threads.emplace_back([&, t] {
      TestBatch batch(1, 10, 64, kTestExperts, 3, t);
      if (Run(batch).ok() && batch.OutputIsExact()) ++exact;
    });
  }
  const SteadyTime deadline = After(kTestPatience);
  while (cluster_->remote().counters().retries_busy == 0 && Now() < deadline)
    std::this_thread::yield();
  EXPECT_GE(cluster_->remote().counters().retries_busy, 1u);
  cluster_->host(0).experts.Release();
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(exact, 6);
  EXPECT_GE(cluster_->host(0).server->counters().busy, 1u);
}

TEST_P(RemoteFaultsTest, TheDeadlineEndsACallAndItsLateAnswerTouchesNothing) {
  Start(1, Patient());
  cluster_->host(0).experts.Hold();
  TestBatch batch(1, 10, 64, kTestExperts, 4, 7);
  batch.rows.deadline = After(milliseconds(50));
  const absl::Status status = Run(batch);
  EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded) << status;
  EXPECT_NE(Message(status).find("host-0"), std::string::npos) << status;
  std::fill(batch.out.begin(), batch.out.end(), -12345.0f);
  cluster_->host(0).experts.Release();
  TestBatch after(1, 10, 64, kTestExperts, 4, 8);
  EXPECT_TRUE(Run(after).ok());
  EXPECT_TRUE(batch.OutputIsUntouched());
}

TEST_P(RemoteFaultsTest, AHostComesBackByItself) {
  RemoteExpertsOptions options = Patient();
  options.no_replica_grace = milliseconds(20000);
  Start(1, options);
  {
    MutexLock lock(cluster_->host(0).mu);
    cluster_->host(0).reachable = false;
  }
  cluster_->Place(50, [](int) { return std::vector<int>{}; });  // drops the connection
  cluster_->Place(51, [](int) { return std::vector<int>{0}; });
  TestBatch batch(1, 10, 64, kTestExperts, 4, 9);
  std::thread waiter([&] {
    const absl::Status status = Run(batch);
    EXPECT_TRUE(status.ok()) << status;
  });
  {
    MutexLock lock(cluster_->host(0).mu);
    cluster_->host(0).reachable = true;
  }
  waiter.join();
  EXPECT_TRUE(batch.OutputIsExact());
}

TEST_P(RemoteFaultsTest, AnErrorOfTheBackendIsReportedAndHarmsNobodyElse) {
  RemoteExpertsOptions options = Patient();
  options.no_replica_grace = milliseconds(20);
  Start(1, options);
  TestBatch bad(1, 4, FakeExperts::kRefusedHidden, kTestExperts, 2, 1);
  const absl::Status status = Run(bad);
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_NE(Message(status).find("no rows of 13"), std::string::npos) << status;
  TestBatch good(1, 4, 64, kTestExperts, 2, 1);
  EXPECT_TRUE(Run(good).ok());
  EXPECT_TRUE(good.OutputIsExact());
}

TEST_P(RemoteFaultsTest, WrongArgumentsAreRefusedAtOnce) {
  Start(1);
  TestBatch batch(1, 4, 64, kTestExperts, 2, 1);
  std::swap(batch.picks[0], batch.picks[1]);
  EXPECT_EQ(Run(batch).code(), absl::StatusCode::kInvalidArgument);
  TestBatch outside(1, 4, 64, kTestExperts, 2, 1);
  outside.rows.num_rows = 2;
  EXPECT_EQ(Run(outside).code(), absl::StatusCode::kInvalidArgument);
}

TEST_P(RemoteFaultsTest, HostileMessagesAreCountedAndHarmNothing) {
  Start(1);
  auto& host = cluster_->host(0);
  auto endpoint = cluster_->client_transport().Connect(host.transport->Address(), nullptr);
  ASSERT_TRUE(endpoint.ok());
  TestBatch batch(1, 8, 64, kTestExperts, 2, 1);
  std::vector<uint32_t> all(batch.picks.size());
  for (size_t i = 0; i < all.size(); ++i) all[i] = static_cast<uint32_t>(i);
  DispatchMessage message = BuildDispatch(batch.rows, all);
  message.header.client = cluster_->client_transport().incarnation();
  message.header.deadline_ms = 1000;
  const auto bytes = HeaderBytes(message.header);
  const std::vector<uint8_t> header(bytes.begin(), bytes.end());
  Outcomes sent;
  int count = 0;
  const auto send = [&](std::vector<uint8_t> h, std::vector<uint8_t> p) {
    SendBytes(**endpoint, Channel::kExpertDispatch, std::move(h), std::move(p), sent.Next());
    ++count;
  };
  for (size_t i = 0; i < header.size(); ++i) {  // every byte of the header, every bit of some
    if (i >= 16 && i < 40) continue;            // epoch, call, attempt are the client's own affair
    for (const int bit : {0, 7}) {
      auto h = header;
      h[i] = static_cast<uint8_t>(h[i] ^ (1 << bit));
      if (i >= 7 && i < 8) continue;  // reserved
      if (i >= offsetof(DispatchHeader, attempt) && i < offsetof(DispatchHeader, layer)) continue;
      if (i >= offsetof(DispatchHeader, deadline_ms) && i < offsetof(DispatchHeader, digest))
        continue;
      if (i >= offsetof(DispatchHeader, layer) && i < offsetof(DispatchHeader, rows))
        continue;  // NOT_HOSTED
      send(h, message.payload);
    }
  }
  send({}, {});
  send(header, {});
  auto cut = message.payload;
  cut.pop_back();
  send(header, cut);
  auto damaged = message.payload;
  damaged[damaged.size() / 2] ^= 1;
  send(header, damaged);
  const SteadyTime deadline = After(kTestPatience);
  while (host.server->counters().invalid < static_cast<uint64_t>(count) && Now() < deadline)
    std::this_thread::yield();
  EXPECT_EQ(host.server->counters().invalid, static_cast<uint64_t>(count));
  bool complete = false;
  sent.Await(&complete);
  TestBatch good(1, 4, 64, kTestExperts, 2, 1);
  EXPECT_TRUE(Run(good).ok());
  EXPECT_TRUE(good.OutputIsExact());
}

TEST_P(RemoteFaultsTest, DispatchesOfStrangersAreDropped) {
  Start(1);
  auto& host = cluster_->host(0);
  host.server->RemovePeer(cluster_->client_transport().incarnation());
  TestBatch batch(1, 4, 64, kTestExperts, 2, 1);
  batch.rows.deadline = After(milliseconds(50));
  EXPECT_EQ(Run(batch).code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_GE(host.server->counters().invalid, 1u);
  EXPECT_EQ(host.experts.calls(), 0);
}

TEST_P(RemoteFaultsTest, DispatchesOfOneLayerAreComputedTogether) {
  Start(1, Patient());
  auto& host = cluster_->host(0);
  host.experts.Hold();
  std::vector<std::thread> threads;
  std::atomic<int> exact{0};
  constexpr int kCalls = 8;
  for (uint32_t t = 0; t < kCalls; ++t) {
    threads.emplace_back([&, t] {
      TestBatch batch(1, 5, 64, kTestExperts, 3, t);
      if (Run(batch).ok() && batch.OutputIsExact()) ++exact;
    });
  }
  const SteadyTime deadline = After(kTestPatience);
  while (host.server->counters().dispatches < kCalls && Now() < deadline) std::this_thread::yield();
  host.experts.Release();
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(exact, kCalls);
  EXPECT_LT(host.server->counters().batches, static_cast<uint64_t>(kCalls));
  EXPECT_EQ(host.server->counters().queued_rows, 0u);
}

INSTANTIATE_TEST_SUITE_P(Backends, RemoteFaultsTest, testing::Values("inproc", "ucx"),
                         [](const auto& info) { return std::string(info.param); });

}  // namespace
}  // namespace conclave
