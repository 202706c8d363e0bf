// Prompts through a prefill worker, seen from a decode worker's side of the hand-off.
#include <future>

#include "common/client/workers/convert.h"
#include "common/client/workers/prefill_client.h"
#include "proto/conclave/v1/prefill.grpc.pb.h"
#include "tests/unit/services/worker_cluster.h"

namespace conclave {
namespace {

// What a decode worker has for a hand-off.
struct Landing {
  Landing(const std::shared_ptr<InprocHub>& hub, ChannelProvider& channels, const Model& model)
      : transport(MakeInprocTransport(hub)),
        cache(*KvCache::Create(model.config(), model.mode(), 16)),
        receiver(*transport, *cache),
        layers(static_cast<uint32_t>(model.config().num_layers)),
        self{.id = "landing",
             .incarnation = transport->incarnation(),
             .transport_address = transport->Address(),
             .fingerprint = model.fingerprint()},
        client(MakePrefillClient(channels, self)) {}
  ~Landing() { transport->Stop(); }

  PrefillJob Job(const std::vector<int32_t>& prompt) {
    std::vector<int32_t> pages;
    for (size_t i = 0; i * kPageTokens < prompt.size(); ++i)
      pages.push_back(static_cast<int32_t>(i));
    return {.request_id = "test",
            .prompt_ids = prompt,
            .sampling = {.temperature = 0},
            .ticket = receiver.Open(1, static_cast<uint32_t>(prompt.size()), layers, pages)};
  }
  struct Running {
    std::shared_ptr<PrefillCall> call;
    std::future<absl::StatusOr<PrefillResult>> result;
  };
  Running Start(const std::string& address, PrefillJob job) {
    auto promise = std::make_shared<std::promise<absl::StatusOr<PrefillResult>>>();
    auto call = client->Run(
        address, std::move(job), After(std::chrono::seconds(60)),
        [promise](absl::StatusOr<PrefillResult> result) { promise->set_value(std::move(result)); });
    return {call, promise->get_future()};
  }
  absl::StatusOr<PrefillResult> Run(const std::string& address, PrefillJob job) {
    return Start(address, std::move(job)).result.get();
  }

  std::unique_ptr<Transport> transport;
  std::unique_ptr<KvCache> cache;
  KvReceiver receiver;
  uint32_t layers;
  PeerIdentity self;
  std::unique_ptr<PrefillClient> client;
};

class RunTest : public WorkerCluster {
 protected:
  void SetUp() override { landing_ = std::make_unique<Landing>(hub_, *channels_, *SharedModel()); }
  std::unique_ptr<PrefillServer> Start(const std::string& id, int chunk_tokens,
                                       int max_queued = 64) {
    PrefillConfig config{.worker = Worker(id)};
    config.chunk_tokens = chunk_tokens;
    config.max_queued = max_queued;
    config.worker.kv_pages = 4;
    WorkerDeps deps = AttentionDeps(&gate_);
    deps.metrics = &metrics_;
    return StartPrefill(config, nullptr, &deps);
  }
  double FreePages() { return MetricValue(metrics_, "conclave_kv_pages_free{role=\"prefill\"}"); }

  Gate gate_;
  MetricRegistry metrics_;
  std::unique_ptr<Landing> landing_;
};

TEST_F(RunTest, FirstTokenIsTheGoldenOneAndTheHandoffVerifies) {
  auto server = Start("prefill", 512);
  const auto result = landing_->Run("prefill", landing_->Job(golden_.prompt));
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->first_token.id, golden_.greedy[0]);
  EXPECT_EQ(result->manifest.extents.size(), landing_->layers);
  EXPECT_EQ(landing_->receiver.Verify(result->manifest, After(kPatience)), absl::OkStatus());
  EXPECT_EQ(FreePages(), 4);
}

TEST_F(RunTest, ChunksDoNotShowInTheKv) {
  std::vector<int32_t> prompt;
  for (int i = 0; i < 5; ++i)
    prompt.insert(prompt.end(), golden_.prompt.begin(), golden_.prompt.end());
  auto whole = Start("whole", 512);
  const auto expected = landing_->Run("whole", landing_->Job(prompt));
  ASSERT_TRUE(expected.ok()) << expected.status();
  for (const int chunk : {1, 7, 64, 150}) {
    auto chunked = Start(fmt::format("chunks-of-{}", chunk), chunk);
    const auto result = landing_->Run(chunked->id(), landing_->Job(prompt));
    ASSERT_TRUE(result.ok()) << result.status();
    EXPECT_EQ(result->first_token.id, expected->first_token.id) << chunk;
    EXPECT_EQ(result->first_token.logprob, expected->first_token.logprob) << chunk;
    ASSERT_EQ(result->manifest.extents.size(), expected->manifest.extents.size());
    // Extents may come in another order.
    const auto digests = [](const HandoffManifest& manifest) {
      std::map<std::pair<uint32_t, uint32_t>, uint64_t> all;
      for (const HandoffExtent& extent : manifest.extents)
        all[{extent.layer, extent.block}] = extent.digest;
      return all;
    };
    EXPECT_EQ(digests(result->manifest), digests(expected->manifest)) << chunk;
  }
}

TEST_F(RunTest, PromptsTogetherEqualAlone) {
  auto server = Start("prefill", 16);
  std::vector<std::vector<int32_t>> prompts;
  for (const size_t length : {40, 3, 17, 1, 33}) {
    prompts.emplace_back(golden_.prompt.begin(),
                         golden_.prompt.begin() + static_cast<ptrdiff_t>(length));
  }
  std::vector<float> alone;
  for (const auto& prompt : prompts) {
    const auto result = landing_->Run("prefill", landing_->Job(prompt));
    ASSERT_TRUE(result.ok()) << result.status();
    alone.push_back(result->first_token.logprob);
  }
  std::vector<Landing::Running> running;
  for (const auto& prompt : prompts)
    running.push_back(landing_->Start("prefill", landing_->Job(prompt)));
  for (size_t i = 0; i < running.size(); ++i) {
    const auto result = running[i].result.get();
    ASSERT_TRUE(result.ok()) << result.status();
    EXPECT_EQ(result->first_token.logprob, alone[i]) << i;
  }
}

TEST_F(RunTest, CancelledPromptGivesItsPagesBack) {
  auto server = Start("prefill", 512);
  gate_.Close();
  auto running = landing_->Start("prefill", landing_->Job(golden_.prompt));
  gate_.AwaitArrival();
  EXPECT_EQ(FreePages(), 3);
  running.call->Cancel();
  EXPECT_EQ(running.result.get().status().code(), absl::StatusCode::kCancelled);
  gate_.Open();
  // Needs every page, so it waits until all of them are back.
  std::vector<int32_t> all(4 * kPageTokens, 5);
  EXPECT_TRUE(landing_->Run("prefill", landing_->Job(all)).ok());
  EXPECT_EQ(FreePages(), 4);
}

TEST_F(RunTest, FullQueueRefusesWithTheNumbers) {
  auto server = Start("prefill", 512, /*max_queued=*/1);
  gate_.Close();
  auto running = landing_->Start("prefill", landing_->Job(golden_.prompt));
  gate_.AwaitArrival();
  const auto refused = landing_->Run("prefill", landing_->Job(golden_.prompt));
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kResourceExhausted) << refused.status();
  EXPECT_NE(Message(refused.status()).find("at most 1 may"), std::string::npos) << refused.status();
  gate_.Open();
  EXPECT_TRUE(running.result.get().ok());
}

TEST_F(RunTest, WithoutHelloThePushHasNowhereToGo) {
  auto server = Start("prefill", 512);
  const PrefillJob job = landing_->Job(golden_.prompt);
  v1::PrefillRequest request;
  request.mutable_prompt_ids()->Add(job.prompt_ids.begin(), job.prompt_ids.end());
  request.mutable_sampling()->set_top_p(1);
  *request.mutable_ticket() = TicketToProto(job.ticket);
  v1::PrefillResponse response;
  grpc::ClientContext context;
  auto stub = v1::Prefill::NewStub(channels_->Get("prefill"));
  const absl::Status status = FromGrpc(stub->Run(&context, request, &response));
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << status;
  EXPECT_NE(Message(status).find("Hello"), std::string::npos) << status;
}

TEST_F(RunTest, WorkerThatCameBackIsGreetedAgain) {
  auto first = Start("prefill", 512);
  ASSERT_TRUE(landing_->Run("prefill", landing_->Job(golden_.prompt)).ok());
  first.reset();
  EXPECT_EQ(landing_->Run("prefill", landing_->Job(golden_.prompt)).status().code(),
            absl::StatusCode::kUnavailable);
  auto second = Start("prefill", 512);
  const auto result = landing_->Run("prefill", landing_->Job(golden_.prompt));
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->first_token.id, golden_.greedy[0]);
}

TEST_F(RunTest, AnotherFingerprintIsRefusedNamingBoth) {
  auto server = Start("prefill", 512);
  PeerIdentity stranger = landing_->self;
  stranger.fingerprint ^= 1;
  landing_->client = MakePrefillClient(*channels_, stranger);
  const auto result = landing_->Run("prefill", landing_->Job(golden_.prompt));
  EXPECT_EQ(result.status().code(), absl::StatusCode::kFailedPrecondition);
  for (const uint64_t print : {stranger.fingerprint, stranger.fingerprint ^ 1}) {
    EXPECT_NE(Message(result.status()).find(fmt::format("{:016x}", print)), std::string::npos)
        << result.status();
  }
}

TEST_F(RunTest, TicketsThatDoNotFitAreRefused) {
  auto server = Start("prefill", 512);
  const auto expect_invalid = [&](const std::function<void(PrefillJob&)>& spoil,
                                  const std::string& says) {
    PrefillJob job = landing_->Job(golden_.prompt);
    spoil(job);
    const auto result = landing_->Run("prefill", job);
    EXPECT_EQ(result.status().code(), absl::StatusCode::kInvalidArgument) << result.status();
    EXPECT_NE(Message(result.status()).find(says), std::string::npos) << result.status();
  };
  expect_invalid([](PrefillJob& j) { j.ticket.prompt_tokens += 1; }, "41 prompt tokens");
  expect_invalid([](PrefillJob& j) { j.ticket.layers -= 1; }, "4 layers");
  expect_invalid([](PrefillJob& j) { j.ticket.token_bytes *= 2; }, "bytes a token");
  expect_invalid([](PrefillJob& j) { j.ticket.session = 0; }, "session 0");
  expect_invalid([](PrefillJob& j) { j.prompt_ids[3] = 512; }, "prompt_ids[3] is 512");
  expect_invalid([](PrefillJob& j) { j.sampling.top_p = 2; }, "top_p");
}

TEST_F(RunTest, PromptLargerThanThePoolIsRefused) {
  auto server = Start("prefill", 512);
  const auto result =
      landing_->Run("prefill", landing_->Job(std::vector<int32_t>(4 * kPageTokens + 1, 5)));
  EXPECT_EQ(result.status().code(), absl::StatusCode::kInvalidArgument) << result.status();
  EXPECT_NE(Message(result.status()).find("--kv-pages"), std::string::npos) << result.status();
}

TEST_F(RunTest, LostExpertsEndThePromptWithUnavailable) {
  auto server = Start("prefill", 512);
  gate_.Break(true);
  EXPECT_EQ(landing_->Run("prefill", landing_->Job(golden_.prompt)).status().code(),
            absl::StatusCode::kUnavailable);
  gate_.Break(false);
  EXPECT_TRUE(landing_->Run("prefill", landing_->Job(golden_.prompt)).ok());
  EXPECT_EQ(FreePages(), 4);
}

}  // namespace
}  // namespace conclave
