// The gRPC front door through the SDK: the same meaning as HTTP.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "common/client/inference/client.h"
#include "common/rpc/health_client.h"
#include "tests/unit/services/router/http_client.h"
#include "tests/unit/services/router/router_world.h"
#include "tests/unit/services/router/test_model.h"

namespace conclave {
namespace {

using nlohmann::json;
using testing::HasSubstr;

constexpr std::chrono::seconds kLong{60};

class GrpcTest : public testing::Test {
 protected:
  static GenerateOptions Chat(const std::string& question) {
    GenerateOptions options;
    options.messages = {{"user", question}};
    return options;
  }
  RouterWorld world_;
  std::unique_ptr<Client> client_ = Client::Connect(world_.grpc()).value();
};

TEST_F(GrpcTest, EqualsHttp) {
  world_.SetScript(Say("<think>\nhm 東\n</think>\n\n京 is 125 and more", 2));
  const json http = json::parse(
      Fetch(
          world_.http(), "POST", "/v1/chat/completions",
          R"({"messages": [{"role": "user", "content": "hello"}], "seed": 9, "temperature": 0.7, "top_p": 0.9, "max_tokens": 99,
                "stop": [" and"], "logprobs": true, "top_logprobs": 1})")
          .body);
  const DecodeSpec by_http = world_.LastRequest();

  GenerateOptions options = Chat("hello");
  options.seed = 9;
  options.temperature = 0.7;
  options.top_p = 0.9;
  options.max_tokens = 99;
  options.stop = {" and"};
  options.include_token_ids = true;
  options.top_logprobs = 1;
  std::string streamed;
  const auto result = client_->Generate(
      options,
      [&](const TextDelta& delta) {
        streamed += delta.content;
        return true;
      },
      kLong);
  ASSERT_TRUE(result.ok()) << result.status();
  const DecodeSpec by_grpc = world_.LastRequest();
  EXPECT_EQ(by_grpc.prompt_ids, by_http.prompt_ids);
  EXPECT_EQ(by_grpc.temperature, by_http.temperature);
  EXPECT_EQ(by_grpc.top_p, by_http.top_p);
  EXPECT_EQ(by_grpc.seed, by_http.seed);
  EXPECT_EQ(by_grpc.max_tokens, by_http.max_tokens);
  const json& choice = http["choices"][0];
  EXPECT_EQ(result->content, choice["message"]["content"]);
  EXPECT_EQ(result->content, "京 is 125");
  EXPECT_EQ(streamed, result->content);
  EXPECT_EQ(result->reasoning, choice["message"]["reasoning_content"]);
  EXPECT_EQ(result->finish_reason, choice["finish_reason"]);
  EXPECT_EQ(result->seed, http["seed"]);
  EXPECT_EQ(result->prompt_tokens, http["usage"]["prompt_tokens"]);
  EXPECT_EQ(result->completion_tokens, http["usage"]["completion_tokens"]);
  EXPECT_EQ(result->reasoning_tokens,
            http["usage"]["completion_tokens_details"]["reasoning_tokens"]);
  ASSERT_EQ(result->tokens.size(), choice["logprobs"]["content"].size());
  for (size_t i = 0; i < result->tokens.size(); ++i) {
    EXPECT_EQ(result->tokens[i].logprob, choice["logprobs"]["content"][i]["logprob"]);
    EXPECT_EQ(result->tokens[i].top.size(), 1u);
  }
}

TEST_F(GrpcTest, PromptAndIds) {
  world_.SetScript(Say("ok"));
  GenerateOptions options;
  options.prompt = "abc";
  ASSERT_TRUE(client_->Generate(options, nullptr, kLong).ok());
  EXPECT_EQ(world_.LastRequest().prompt_ids.front(), TestModel().config.bos_token_id);
  options = {};
  options.prompt_ids = {7, 8};
  options.ignore_eos = true;
  ASSERT_TRUE(client_->Generate(options, nullptr, kLong).ok());
  EXPECT_THAT(world_.LastRequest().prompt_ids, testing::ElementsAre(7, 8));
  EXPECT_TRUE(world_.LastRequest().ignore_eos);
}

TEST_F(GrpcTest, Errors) {
  const auto code = [&](const GenerateOptions& options) {
    return client_->Generate(options, nullptr, kLong).status();
  };
  GenerateOptions options = Chat("x");
  options.model = "other";
  EXPECT_EQ(code(options).code(), absl::StatusCode::kNotFound);
  options = Chat("x");
  options.temperature = 9;
  EXPECT_EQ(code(options).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(Message(code(options)), HasSubstr("'temperature' is 9"));
  EXPECT_EQ(code({}).code(), absl::StatusCode::kInvalidArgument);
  DecodeScript script;
  script.error = Unavailable("gone");
  world_.SetScript(script);
  EXPECT_EQ(code(Chat("x")).code(), absl::StatusCode::kUnavailable);
}

TEST_F(GrpcTest, TheDeadlineOfTheCallBoundsTheRequest) {
  DecodeScript script;
  script.hang = true;
  world_.SetScript(script);
  EXPECT_EQ(client_->Generate(Chat("x"), nullptr, std::chrono::milliseconds(100)).status().code(),
            absl::StatusCode::kDeadlineExceeded);
  EXPECT_TRUE(world_.WaitCancelled(1));
  EXPECT_TRUE(world_.WaitMetric("conclave_router_in_flight", 0));
}

TEST_F(GrpcTest, CancellingStopsTheWork) {
  DecodeScript script = Say("some words");
  script.hang = true;
  world_.SetScript(script);
  const auto result = client_->Generate(
      Chat("x"), [](const TextDelta&) { return false; }, kLong);
  EXPECT_EQ(result.status().code(), absl::StatusCode::kCancelled);
  EXPECT_TRUE(world_.WaitCancelled(1));
  EXPECT_TRUE(world_.WaitMetric("conclave_router_disconnects_total", 1));
}

TEST_F(GrpcTest, ListsModelsAndTellsHealth) {
  const auto models = client_->ListModels(kLong);
  ASSERT_TRUE(models.ok());
  ASSERT_EQ(models->size(), 1u);
  EXPECT_EQ(models->front().id, "test-model");
  EXPECT_EQ(models->front().context_length, 2048u);
  const auto channels = MakeNetworkChannels();
  EXPECT_TRUE(CheckHealth(channels->Get(world_.grpc()), Now() + kLong).value());
}

TEST(Sdk, RefusesWhatIsNoAddress) {
  for (const char* address : {"", "host", "host:", ":80", "host:http", "host:123456"}) {
    EXPECT_EQ(Client::Connect(address).status().code(), absl::StatusCode::kInvalidArgument)
        << address;
  }
}

}  // namespace
}  // namespace conclave
