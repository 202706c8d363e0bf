// What a decode worker refuses, and how it says so.
#include <cmath>
#include <functional>
#include <thread>

#include "tests/unit/services/worker_cluster.h"

namespace conclave {
namespace {

class RefusalTest : public WorkerCluster {
 protected:
  void SetUp() override {
    prefill_ = StartPrefill({.worker = Worker("prefill")}, &open_);
    DecodeConfig config{.worker = Worker("decode")};
    config.worker.kv_pages = 4;
    config.max_running = 1;
    config.max_queued = 1;
    decode_ = StartDecode(config, &gate_, &metrics_);
    ASSERT_NE(decode_, nullptr);
  }
  void ExpectInvalid(const std::function<void(v1::DecodeRequest&)>& spoil,
                     const std::string& says) {
    v1::DecodeRequest request = Request(golden_.prompt, 4);
    spoil(request);
    const Generated result = Generate(request);
    EXPECT_EQ(result.status.code(), absl::StatusCode::kInvalidArgument) << result.status;
    EXPECT_NE(Message(result.status).find(says), std::string::npos) << result.status;
  }

  Gate gate_, open_;
  MetricRegistry metrics_;
  std::unique_ptr<PrefillServer> prefill_;
  std::unique_ptr<DecodeServer> decode_;
};

TEST_F(RefusalTest, InvalidRequestsNameWhatIsWrong) {
  ExpectInvalid([](auto& r) { r.clear_prompt_ids(); }, "prompt_ids is empty");
  ExpectInvalid([](auto& r) { r.set_prompt_ids(2, 512); }, "prompt_ids[2] is 512");
  ExpectInvalid([](auto& r) { r.set_prompt_ids(2, -1); }, "prompt_ids[2] is -1");
  ExpectInvalid([](auto& r) { r.mutable_prompt_ids()->Resize(4096, 5); },
                "the context length is 4096");
  ExpectInvalid([](auto& r) { r.set_max_tokens(0); }, "max_tokens");
  ExpectInvalid([](auto& r) { r.mutable_sampling()->set_temperature(-1); }, "temperature");
  ExpectInvalid([](auto& r) { r.mutable_sampling()->set_temperature(std::nanf("")); },
                "temperature");
  ExpectInvalid([](auto& r) { r.mutable_sampling()->set_top_p(0); }, "top_p");
  ExpectInvalid([](auto& r) { r.mutable_sampling()->set_top_logprobs(21); }, "top_logprobs");
  ExpectInvalid([](auto& r) { r.clear_prefill_addresses(); }, "prefill_addresses");
  ExpectInvalid([](auto& r) { r.set_max_tokens(300); }, "the worker has 4 in all");
  // And harmed nobody.
  EXPECT_EQ(Generate(Request(golden_.prompt, 4)).status, absl::OkStatus());
}

TEST_F(RefusalTest, FullQueueRefusesAtOnceAndServesTheOthers) {
  gate_.Close();
  auto running = Open("decode", Request(golden_.prompt, 4));
  gate_.AwaitArrival();
  // Streams may be handled in any order: one of the three gets the only place in the queue, the
  // others are answered while the gate is shut.
  Mutex mu;
  CondVar changed;
  std::vector<Generated> results;
  std::vector<std::thread> clients;
  for (int i = 0; i < 3; ++i) {
    clients.emplace_back([&] {
      Generated result = Generate(Request(golden_.prompt, 4));
      MutexLock lock(mu);
      results.push_back(std::move(result));
      changed.NotifyAll();
    });
  }
  {
    MutexLock lock(mu);
    while (results.size() < 2) ASSERT_TRUE(changed.WaitUntil(mu, After(kPatience)));
  }
  gate_.Open();
  for (std::thread& client : clients) client.join();
  int served = 0, refused = 0;
  for (const Generated& result : results) {
    if (result.status.ok()) {
      ++served;
      continue;
    }
    ++refused;
    EXPECT_EQ(result.status.code(), absl::StatusCode::kResourceExhausted) << result.status;
    EXPECT_NE(Message(result.status).find("at most 1 may"), std::string::npos) << result.status;
  }
  EXPECT_EQ(served, 1);
  EXPECT_EQ(refused, 2);
  EXPECT_EQ(running->ReadAll().ids.size(), 4u);
}

TEST_F(RefusalTest, DeadlinePassesInTheQueue) {
  gate_.Close();
  auto running = Open("decode", Request(golden_.prompt, 4));
  gate_.AwaitArrival();
  const Generated late =
      Open("decode", Request(golden_.prompt, 4), std::chrono::milliseconds(100))->ReadAll();
  EXPECT_EQ(late.status.code(), absl::StatusCode::kDeadlineExceeded) << late.status;
  gate_.Open();
  EXPECT_EQ(running->ReadAll().status, absl::OkStatus());
  EXPECT_EQ(MetricValue(metrics_, "conclave_kv_pages_free{role=\"decode\"}"), 4);
}

}  // namespace
}  // namespace conclave
