// What every ExpertBackend must do, whatever lies behind it.
#include <gtest/gtest.h>

#include <thread>

#include "tests/contract/expert_backend/expert_cluster.h"

namespace conclave {
namespace {

struct Param {
  std::string backend;  // "direct", or of the transport
  int hosts;
};

class ExpertBackendTest : public testing::TestWithParam<Param> {
 protected:
  void SetUp() override {
    if (GetParam().backend == "direct") return;
    cluster_ = std::make_unique<ExpertCluster>(GetParam().backend, GetParam().hosts);
    const int hosts = GetParam().hosts;
    cluster_->Place(1, [&](int e) {  // two replicas where there are two hosts
      return hosts == 1 ? std::vector<int>{0} : std::vector<int>{e % hosts, (e + 1) % hosts};
    });
    ASSERT_TRUE(cluster_->AwaitReady().ok());
  }
  ExpertBackend& backend() {
    return cluster_ ? static_cast<ExpertBackend&>(cluster_->remote()) : direct_;
  }

  void ExpectExact(TestBatch& batch) {
    auto call = backend().Dispatch(batch.rows, batch.out.data());
    ASSERT_TRUE(call.ok()) << call.status();
    const absl::Status status = (*call)->Wait();
    ASSERT_TRUE(status.ok()) << status;
    EXPECT_TRUE(batch.OutputIsExact());
  }

  FakeExperts direct_;
  std::unique_ptr<ExpertCluster> cluster_;
};

TEST_P(ExpertBackendTest, AnswersEveryPickWithItsOwnBits) {
  for (const int num_rows : {1, 3, 64, 257}) {
    TestBatch batch(1, num_rows, 96, kTestExperts, 4, static_cast<uint32_t>(num_rows));
    ExpectExact(batch);
  }
}

TEST_P(ExpertBackendTest, RowsOfTheOtherModeCrossUnchanged) {
  TestBatch batch(3, 33, 40, kTestExperts, 6, 5, ComputeMode::kBF16);
  ExpectExact(batch);
}

TEST_P(ExpertBackendTest, NoPicksIsAnAnswerAtOnce) {
  TestBatch batch(1, 0, 64, kTestExperts, 2, 1);
  ExpectExact(batch);
}

TEST_P(ExpertBackendTest, LargeCallsAreCut) {
  TestBatch batch(2, 1500, 512, kTestExperts, 8, 9);
  ExpectExact(batch);
}

TEST_P(ExpertBackendTest, SeveralCallsAtATimeFromOneThread) {
  TestBatch a(1, 20, 64, kTestExperts, 3, 1), b(2, 21, 64, kTestExperts, 3, 2);
  auto first = backend().Dispatch(a.rows, a.out.data());
  auto second = backend().Dispatch(b.rows, b.out.data());
  ASSERT_TRUE(first.ok() && second.ok());
  EXPECT_TRUE((*second)->Wait().ok());
  EXPECT_TRUE((*first)->Wait().ok());
  EXPECT_TRUE(a.OutputIsExact() && b.OutputIsExact());
}

TEST_P(ExpertBackendTest, SeveralThreads) {
  std::vector<std::thread> threads;
  std::atomic<int> exact{0};
  constexpr int kThreads = 6, kCalls = 20;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kCalls; ++i) {
        TestBatch batch(1 + i % 3, 1 + (i * 7 + t) % 40, 64, kTestExperts, 4,
                        static_cast<uint32_t>(t * 100 + i));
        auto call = backend().Dispatch(batch.rows, batch.out.data());
        if (call.ok() && (*call)->Wait().ok() && batch.OutputIsExact()) ++exact;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(exact, kThreads * kCalls);
}

TEST_P(ExpertBackendTest, ACallThatIsDroppedWritesNothingMore) {
  TestBatch batch(1, 50, 64, kTestExperts, 4, 3);
  {
    auto call = backend().Dispatch(batch.rows, batch.out.data());
    ASSERT_TRUE(call.ok());
  }
  std::fill(batch.out.begin(), batch.out.end(), -12345.0f);
  TestBatch other(1, 50, 64, kTestExperts, 4, 4);  // passes every host after the dropped one
  ExpectExact(other);
  EXPECT_TRUE(batch.OutputIsUntouched());
}

INSTANTIATE_TEST_SUITE_P(Backends, ExpertBackendTest,
                         testing::Values(Param{"direct", 0}, Param{"inproc", 1}, Param{"inproc", 2},
                                         Param{"inproc", 3}, Param{"ucx", 1}, Param{"ucx", 2},
                                         Param{"ucx", 3}),
                         [](const auto& info) {
                           return info.param.backend + std::to_string(info.param.hosts);
                         });

}  // namespace
}  // namespace conclave
