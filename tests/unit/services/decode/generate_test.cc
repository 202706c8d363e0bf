// Streams of a decode worker with a real prefill worker and real expert hosts, in one process.
#include <thread>

#include "tests/unit/services/worker_cluster.h"

namespace conclave {
namespace {

class GenerateTest : public WorkerCluster {
 protected:
  void SetUp() override {
    hosts_.push_back(StartExpertHost("expert-host-0"));
    hosts_.push_back(StartExpertHost("expert-host-1"));
    PrefillConfig prefill{.worker = Worker("prefill")};
    prefill.chunk_tokens = 16;
    prefill_ = StartPrefill(prefill, nullptr);
    decode_ = StartDecode({.worker = Worker("decode")}, nullptr);
    ASSERT_NE(decode_, nullptr);
  }

  // Different lengths and both kinds of sampling.
  v1::DecodeRequest Varied(int i) const {
    const size_t length = 1 + static_cast<size_t>(i * 7) % golden_.prompt.size();
    v1::DecodeRequest request =
        Request({golden_.prompt.begin(), golden_.prompt.begin() + length}, 4 + i % 9);
    if (i % 2 == 1) {
      request.mutable_sampling()->set_temperature(0.9f);
      request.mutable_sampling()->set_top_p(0.95f);
      request.mutable_sampling()->set_seed(static_cast<uint64_t>(100 + i));
    }
    return request;
  }

  std::vector<std::unique_ptr<ExpertHostServer>> hosts_;
  std::unique_ptr<PrefillServer> prefill_;
  std::unique_ptr<DecodeServer> decode_;
};

TEST_F(GenerateTest, GreedyTokensEqualTheGoldenOnes) {
  const Generated result =
      Generate(Request(golden_.prompt, static_cast<int>(golden_.greedy.size())));
  EXPECT_EQ(result.status, absl::OkStatus());
  EXPECT_EQ(result.ids, golden_.greedy);
  EXPECT_EQ(result.finish, v1::FINISH_REASON_LENGTH);
}

TEST_F(GenerateTest, SixteenAtOnceEqualAlone) {
  std::vector<Generated> alone(16), together(16);
  for (int i = 0; i < 16; ++i) alone[i] = Generate(Varied(i));
  std::vector<std::thread> clients;
  for (int i = 0; i < 16; ++i) clients.emplace_back([&, i] { together[i] = Generate(Varied(i)); });
  for (std::thread& client : clients) client.join();
  for (int i = 0; i < 16; ++i) {
    EXPECT_EQ(alone[i].status, absl::OkStatus()) << i;
    EXPECT_EQ(alone[i].ids.size(), static_cast<size_t>(4 + i % 9)) << i;
    EXPECT_TRUE(together[i] == alone[i]) << i << ": " << together[i].status;
  }
}

TEST_F(GenerateTest, EndsAtTheEndOfSequenceTokenUnlessTold) {
  // Sampling at a high temperature meets the end-of-sequence token sooner or later.
  v1::DecodeRequest request = Request(golden_.prompt, 400);
  request.mutable_sampling()->set_temperature(2);
  request.set_ignore_eos(false);
  bool stopped = false;
  for (uint64_t seed = 0; seed < 20 && !stopped; ++seed) {
    request.mutable_sampling()->set_seed(seed);
    const Generated result = Generate(request);
    ASSERT_EQ(result.status, absl::OkStatus());
    if (result.finish != v1::FINISH_REASON_STOP) continue;
    stopped = true;
    EXPECT_EQ(result.ids.back(), SharedModel()->config().eos_token_id);
    request.set_ignore_eos(true);
    request.set_max_tokens(static_cast<uint32_t>(result.ids.size()) + 3);
    const Generated on = Generate(request);
    EXPECT_EQ(on.finish, v1::FINISH_REASON_LENGTH);
    ASSERT_EQ(on.ids.size(), result.ids.size() + 3);
    EXPECT_TRUE(std::equal(result.ids.begin(), result.ids.end(), on.ids.begin()));
  }
  EXPECT_TRUE(stopped);
}

TEST_F(GenerateTest, OneTokenComesFromThePrefillWorkerAlone) {
  const Generated result = Generate(Request(golden_.prompt, 1));
  EXPECT_EQ(result.ids, std::vector<int32_t>{golden_.greedy[0]});
  EXPECT_EQ(result.finish, v1::FINISH_REASON_LENGTH);
}

TEST_F(GenerateTest, LosingOneOfTwoExpertHostsChangesNoToken) {
  auto stream = Open("decode", Request(golden_.prompt, static_cast<int>(golden_.greedy.size())));
  ASSERT_TRUE(stream->ReadToken());
  hosts_[0]->Stop();
  const Generated result = stream->ReadAll();
  EXPECT_EQ(result.status, absl::OkStatus());
  EXPECT_EQ(result.ids, golden_.greedy);
}

TEST_F(GenerateTest, AnotherModeIsRefusedNamingBothFingerprints) {
  WorkerConfig other = Worker("decode-bf16");
  other.mode = "bf16";
  WorkerDeps deps = Deps();
  auto model = Model::Load(GoldenDir(), {.mode = ComputeMode::kBF16});
  ASSERT_TRUE(model.ok());
  deps.model = *model;
  deps.local_experts = std::make_unique<LocalExperts>(*model, pool_);
  auto server = DecodeServer::Start({.worker = other}, std::move(deps));
  ASSERT_TRUE(server.ok()) << server.status();
  const Generated result = Generate(Request(golden_.prompt, 4), "decode-bf16");
  EXPECT_EQ(result.status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_NE(Message(result.status).find(fmt::format("{:016x}", (*model)->fingerprint())),
            std::string::npos)
      << result.status;
  EXPECT_NE(Message(result.status).find(fmt::format("{:016x}", SharedModel()->fingerprint())),
            std::string::npos)
      << result.status;
}

}  // namespace
}  // namespace conclave
