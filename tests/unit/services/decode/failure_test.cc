// What happens to streams when a prefill worker, an expert or a client fails.
#include "tests/unit/services/decode/fake_prefill.h"
#include "tests/unit/services/worker_cluster.h"

namespace conclave {
namespace {

using Behaviour = FakePrefill::Behaviour;

class FailureTest : public WorkerCluster {
 protected:
  void SetUp() override {
    prefill_ = StartPrefill({.worker = Worker("prefill")}, &prefill_gate_);
    DecodeConfig config{.worker = Worker("decode")};
    config.handoff_timeout_ms = 300;
    decode_ = StartDecode(config, &gate_, &metrics_);
    ASSERT_NE(decode_, nullptr);
  }
  std::unique_ptr<FakePrefill> Fake(const std::string& name, Behaviour behaviour) {
    return std::make_unique<FakePrefill>(network_, name, MakeInprocTransport(hub_), *SharedModel(),
                                         behaviour);
  }
  int GoldenTokens() const { return static_cast<int>(golden_.greedy.size()); }
  void ExpectAllPagesFree() {
    EXPECT_EQ(MetricValue(metrics_, "conclave_kv_pages_free{role=\"decode\"}"), 64);
    EXPECT_EQ(MetricValue(metrics_, "conclave_kv_pages_quarantined{role=\"decode\"}"), 0);
  }

  Gate gate_, prefill_gate_;
  MetricRegistry metrics_;
  std::unique_ptr<PrefillServer> prefill_;
  std::unique_ptr<DecodeServer> decode_;
};

TEST_F(FailureTest, CancelledStreamGivesItsPagesBack) {
  auto stream = Open("decode", Request(golden_.prompt, 64 * 32));
  ASSERT_TRUE(stream->ReadToken());
  ASSERT_TRUE(stream->ReadToken());
  stream->context.TryCancel();
  EXPECT_EQ(stream->ReadAll().status.code(), absl::StatusCode::kCancelled);
  // Needs every page, so it waits until all of them are back.
  v1::DecodeRequest all =
      Request(golden_.prompt, 64 * 64 - static_cast<int>(golden_.prompt.size()) + 1);
  auto next = Open("decode", all);
  ASSERT_TRUE(next->ReadToken());
  EXPECT_EQ(MetricValue(metrics_, "conclave_decode_cancelled_total"), 1);
  EXPECT_EQ(MetricValue(metrics_, "conclave_kv_pages_free{role=\"decode\"}"), 0);
  decode_->Stop();
  ExpectAllPagesFree();
}

TEST_F(FailureTest, UnknownPrefillWorkerIsUnavailable) {
  const Generated result = Generate(Request(golden_.prompt, 4, {"nobody"}));
  EXPECT_EQ(result.status.code(), absl::StatusCode::kUnavailable) << result.status;
  EXPECT_NE(Message(result.status).find("nobody"), std::string::npos);
  ExpectAllPagesFree();
}

TEST_F(FailureTest, PrefillWorkerKilledDuringThePromptIsUnavailable) {
  auto fake = Fake("fake", Behaviour::kHang);
  auto stream = Open("decode", Request(golden_.prompt, 4, {"fake"}));
  fake->AwaitRun();
  fake->Kill();
  EXPECT_EQ(stream->ReadAll().status.code(), absl::StatusCode::kUnavailable);
  ExpectAllPagesFree();
}

TEST_F(FailureTest, HangingPrefillWorkerEndsAtTheDeadline) {
  auto fake = Fake("fake", Behaviour::kHang);
  const Generated result =
      Open("decode", Request(golden_.prompt, 4, {"fake"}), std::chrono::milliseconds(300))
          ->ReadAll();
  EXPECT_EQ(result.status.code(), absl::StatusCode::kDeadlineExceeded) << result.status;
  fake->Kill();
}

TEST_F(FailureTest, WithheldPushIsNotUsed) {
  auto fake = Fake("fake", Behaviour::kWithholdPush);
  const Generated result = Generate(Request(golden_.prompt, 4, {"fake"}));
  EXPECT_EQ(result.status.code(), absl::StatusCode::kUnavailable) << result.status;
  EXPECT_TRUE(result.ids.empty());
  ExpectAllPagesFree();
}

TEST_F(FailureTest, CorruptPushIsNotUsed) {
  auto fake = Fake("fake", Behaviour::kCorruptDigest);
  const Generated result = Generate(Request(golden_.prompt, 4, {"fake"}));
  EXPECT_EQ(result.status.code(), absl::StatusCode::kUnavailable) << result.status;
  EXPECT_NE(Message(result.status).find("digest"), std::string::npos) << result.status;
  EXPECT_TRUE(result.ids.empty());
}

TEST_F(FailureTest, TheNextPrefillWorkerIsAsked) {
  auto corrupt = Fake("corrupt", Behaviour::kCorruptDigest);
  auto withhold = Fake("withhold", Behaviour::kWithholdPush);
  auto busy = Fake("busy", Behaviour::kRefuse);
  const Generated result = Generate(Request(golden_.prompt, GoldenTokens(),
                                            {"nobody", "corrupt", "withhold", "busy", "prefill"}));
  EXPECT_EQ(result.status, absl::OkStatus());
  EXPECT_EQ(result.ids, golden_.greedy);
  EXPECT_EQ(MetricValue(metrics_, "conclave_decode_handoff_retries_total"), 4);
}

TEST_F(FailureTest, LostExpertEndsTheStepsSequencesAndNoOther) {
  gate_.Close();
  auto one = Open("decode", Request(golden_.prompt, 8));
  auto two = Open("decode", Request(golden_.prompt, 8));
  gate_.AwaitArrival();
  gate_.Break(true);
  gate_.Open();
  const Generated first = one->ReadAll(), second = two->ReadAll();
  EXPECT_EQ(first.status.code(), absl::StatusCode::kUnavailable) << first.status;
  EXPECT_EQ(second.status.code(), absl::StatusCode::kUnavailable) << second.status;
  gate_.Break(false);
  EXPECT_EQ(Generate(Request(golden_.prompt, GoldenTokens())).ids, golden_.greedy);
  ExpectAllPagesFree();
}

TEST_F(FailureTest, StopEndsRunningStreams) {
  auto stream = Open("decode", Request(golden_.prompt, 3000));
  ASSERT_TRUE(stream->ReadToken());
  decode_->Stop();
  EXPECT_EQ(stream->ReadAll().status.code(), absl::StatusCode::kUnavailable);
  ExpectAllPagesFree();
}

}  // namespace
}  // namespace conclave
