#include "common/client/decode/decode_client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>

#include "common/rpc/server.h"
#include "common/rpc/status_convert.h"
#include "common/rpc/stream_reactor.h"
#include "proto/conclave/v1/decode.grpc.pb.h"

namespace conclave {
namespace {

constexpr std::chrono::seconds kLong{60};

// Sends `responses`, then ends with `status` unless it hangs.
class FakeDecode : public v1::Decode::CallbackService {
 public:
  grpc::ServerWriteReactor<v1::DecodeResponse>* Generate(
      grpc::CallbackServerContext*, const v1::DecodeRequest* incoming) override {
    request = *incoming;
    auto stream = ServerStream<v1::DecodeResponse>::Create([this] { cancelled.set_value(); });
    for (const v1::DecodeResponse& response : responses) stream->Write(response);
    if (!hang) stream->Finish(ToGrpc(status));
    return stream->reactor();
  }
  v1::DecodeRequest request;
  std::vector<v1::DecodeResponse> responses;
  absl::Status status;
  bool hang = false;
  std::promise<void> cancelled;
};

v1::DecodeResponse Tokens(const std::vector<int>& ids) {
  v1::DecodeResponse response;
  for (int id : ids) {
    v1::Token& token = *response.add_tokens();
    token.set_id(id);
    token.set_logprob(-0.5f);
    token.add_top()->set_id(id + 1);
  }
  return response;
}

class DecodeClientTest : public testing::Test {
 protected:
  DecodeClientTest() {
    RpcServerOptions options;
    options.in_process = &network_;
    options.name = "d";
    server_ = RpcServer::Start(options, {&service_}).value();
  }
  ~DecodeClientTest() override { server_->Shutdown(std::chrono::milliseconds(0)); }

  std::shared_ptr<DecodeCall> Call(const std::string& address, SteadyTime deadline) {
    DecodeEvents events;
    events.on_tokens = [this](std::vector<GeneratedToken> tokens,
                              std::optional<FinishReason> finish) {
      tokens_.insert(tokens_.end(), tokens.begin(), tokens.end());
      finish_ = finish;
      if (++messages_ == 1) first_.set_value();
    };
    events.on_done = [this](absl::Status status) { done_.set_value(std::move(status)); };
    return client_->Generate(address, spec_, deadline, std::move(events));
  }
  absl::Status Done() {
    auto done = done_.get_future();
    if (done.wait_for(kLong) != std::future_status::ready) return Internal("no end");
    return done.get();
  }

  FakeDecode service_;
  InProcessNetwork network_;
  std::unique_ptr<RpcServer> server_;
  std::unique_ptr<ChannelProvider> channels_ = network_.Channels();
  std::unique_ptr<DecodeClient> client_ = MakeDecodeClient(*channels_);
  DecodeSpec spec_;
  std::vector<GeneratedToken> tokens_;
  std::optional<FinishReason> finish_;
  int messages_ = 0;
  std::promise<void> first_;
  std::promise<absl::Status> done_;
};

TEST_F(DecodeClientTest, CarriesEverything) {
  spec_ = {"r", {1, 2}, 0.5, 0.25, 9, 0, 3, 7, true, {"p:1", "q:2"}};
  service_.responses = {Tokens({5, 6}), Tokens({7})};
  service_.responses.back().set_finish(v1::FINISH_REASON_LENGTH);
  Call("d", Now() + kLong);
  ASSERT_TRUE(Done().ok());
  ASSERT_EQ(tokens_.size(), 3u);
  EXPECT_EQ(tokens_[2].id, 7);
  EXPECT_EQ(tokens_[2].logprob, -0.5f);
  EXPECT_EQ(tokens_[2].top.at(0).id, 8);
  EXPECT_EQ(finish_, FinishReason::kLength);
  const v1::DecodeRequest& seen = service_.request;
  EXPECT_EQ(seen.request_id(), "r");
  EXPECT_THAT(seen.prompt_ids(), testing::ElementsAre(1, 2));
  EXPECT_EQ(seen.sampling().temperature(), 0.5f);
  EXPECT_EQ(seen.sampling().top_p(), 0.25f);
  EXPECT_EQ(seen.sampling().seed(), 9u);
  EXPECT_EQ(seen.sampling().top_logprobs(), 3u);
  EXPECT_EQ(seen.max_tokens(), 7u);
  EXPECT_TRUE(seen.ignore_eos());
  EXPECT_THAT(seen.prefill_addresses(), testing::ElementsAre("p:1", "q:2"));
}

TEST_F(DecodeClientTest, AnEndWithoutFinishReasonIsAnError) {
  service_.responses = {Tokens({5})};
  Call("d", Now() + kLong);
  EXPECT_EQ(Done().code(), absl::StatusCode::kInternal);
}

TEST_F(DecodeClientTest, ErrorsOfTheWorkerComeThrough) {
  service_.status = ResourceExhausted("no pages");
  Call("d", Now() + kLong);
  const absl::Status status = Done();
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(Message(status), "no pages");
}

TEST_F(DecodeClientTest, NobodyThereIsUnavailable) {
  Call("somebody else", Now() + kLong);
  EXPECT_EQ(Done().code(), absl::StatusCode::kUnavailable);
}

TEST_F(DecodeClientTest, ASilentWorkerEndsAtTheDeadline) {
  service_.hang = true;
  Call("d", Now() + std::chrono::milliseconds(50));
  EXPECT_EQ(Done().code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(service_.cancelled.get_future().wait_for(kLong), std::future_status::ready);
}

TEST_F(DecodeClientTest, CancelStopsTheWorker) {
  service_.hang = true;
  service_.responses = {Tokens({5})};
  const std::shared_ptr<DecodeCall> call = Call("d", Now() + kLong);
  ASSERT_EQ(first_.get_future().wait_for(kLong), std::future_status::ready);
  call->Cancel();
  call->Cancel();
  EXPECT_EQ(Done().code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(service_.cancelled.get_future().wait_for(kLong), std::future_status::ready);
  call->Cancel();  // after the end, too
}

}  // namespace
}  // namespace conclave
