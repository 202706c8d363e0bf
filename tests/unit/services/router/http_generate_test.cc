// The OpenAI-shaped answers, whole and streamed.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/unit/services/router/http_client.h"
#include "tests/unit/services/router/router_world.h"
#include "tests/unit/services/router/test_model.h"

namespace conclave {
namespace {

using nlohmann::json;
using testing::StartsWith;

constexpr char kChat[] = "/v1/chat/completions";
constexpr char kText[] = "/v1/completions";
constexpr char kHello[] = R"("messages": [{"role": "user", "content": "hello"}])";

json Body(const std::string& fields) { return json::parse("{" + fields + "}"); }

// The events of a stream; the last one must be [DONE].
std::vector<json> Events(const std::string& body) {
  std::vector<json> events;
  size_t at = 0;
  while (at < body.size()) {
    const size_t end = body.find("\n\n", at);
    const std::string event = body.substr(at, end - at);
    EXPECT_THAT(event, StartsWith("data: "));
    if (event == "data: [DONE]") {
      EXPECT_EQ(end + 2, body.size());
      return events;
    }
    events.push_back(json::parse(event.substr(6)));
    at = end + 2;
  }
  ADD_FAILURE() << "no [DONE] in " << body;
  return events;
}

class HttpGenerateTest : public testing::Test {
 protected:
  HttpReply Post(const char* path, json body) {
    return Fetch(world_.http(), "POST", path, body.dump());
  }
  RouterWorld world_;
};

TEST_F(HttpGenerateTest, ChatAnswer) {
  world_.SetScript(Say("<think>\n8+7=15\n</think>\n\nThe answer is 125. 東京 😀"));
  const HttpReply reply =
      Post(kChat, Body(std::string(kHello) +
                       R"(, "seed": 77, "max_tokens": 50, "temperature": 0.5, "top_p": 0.75)"));
  ASSERT_EQ(reply.status, 200) << reply.body;
  EXPECT_EQ(reply.headers.at("content-type"), "application/json");
  const json answer = json::parse(reply.body);
  EXPECT_THAT(answer["id"].get<std::string>(), StartsWith("chatcmpl-"));
  EXPECT_EQ(answer["object"], "chat.completion");
  EXPECT_EQ(answer["model"], "test-model");
  EXPECT_EQ(answer["seed"], 77);
  EXPECT_EQ(answer["system_fingerprint"], "fp_0000000000000abc");
  const json& choice = answer["choices"][0];
  EXPECT_EQ(choice["message"]["role"], "assistant");
  EXPECT_EQ(choice["message"]["content"], "The answer is 125. 東京 😀");
  EXPECT_EQ(choice["message"]["reasoning_content"], "8+7=15");
  EXPECT_EQ(choice["finish_reason"], "stop");
  const DecodeSpec seen = world_.LastRequest();
  EXPECT_EQ(seen.seed, 77u);
  EXPECT_EQ(seen.max_tokens, 50u);
  EXPECT_EQ(seen.temperature, 0.5);
  EXPECT_EQ(seen.top_p, 0.75);
  EXPECT_THAT(seen.prefill_addresses, testing::ElementsAre("prefill-0"));
  EXPECT_EQ(
      std::count(seen.prompt_ids.begin(), seen.prompt_ids.end(), TestModel().config.bos_token_id),
      1);
  const json& usage = answer["usage"];
  EXPECT_EQ(usage["prompt_tokens"], seen.prompt_ids.size());
  EXPECT_EQ(usage["completion_tokens"],
            Encode("<think>\n8+7=15\n</think>\n\nThe answer is 125. 東京 😀").size() + 1);
  EXPECT_EQ(usage["total_tokens"].get<int>(),
            usage["prompt_tokens"].get<int>() + usage["completion_tokens"].get<int>());
  EXPECT_GE(usage["completion_tokens_details"]["reasoning_tokens"],
            static_cast<int>(Encode("8+7=15").size()));
}

TEST_F(HttpGenerateTest, TheStreamAddsUpToTheWholeAnswer) {
  const std::string text = "<think>\nlet me see: 東\n</think>\n\nnaïve 京 😀 answer";
  json request = Body(std::string(kHello) +
                      R"(, "seed": 1, "stop": [" answer"], "logprobs": true, "top_logprobs": 2)");
  for (const size_t per_message : {1, 3, 1000}) {
    world_.SetScript(Say(text, per_message));
    const json whole = json::parse(Post(kChat, request).body);
    json streamed = request;
    streamed["stream"] = true;
    streamed["stream_options"] = {{"include_usage", true}};
    const HttpReply reply = Post(kChat, streamed);
    EXPECT_EQ(reply.headers.at("content-type"), "text/event-stream; charset=utf-8");
    const std::vector<json> events = Events(reply.body);
    ASSERT_GE(events.size(), 4u);
    std::string content, reasoning;
    json logprobs = json::array(), finish;
    EXPECT_EQ(events[0]["choices"][0]["delta"]["role"], "assistant");
    for (size_t i = 0; i + 1 < events.size(); ++i) {
      EXPECT_EQ(events[i]["object"], "chat.completion.chunk");
      EXPECT_EQ(events[i]["id"], events[0]["id"]);
      EXPECT_EQ(events[i]["seed"], 1);
      EXPECT_TRUE(events[i]["usage"].is_null());
      const json& choice = events[i]["choices"][0];
      content += choice["delta"].value("content", "");
      reasoning += choice["delta"].value("reasoning_content", "");
      if (!choice["logprobs"].is_null()) {
        for (const json& entry : choice["logprobs"]["content"]) logprobs.push_back(entry);
      }
      if (!choice["finish_reason"].is_null()) finish = choice["finish_reason"];
    }
    const json& message = whole["choices"][0]["message"];
    EXPECT_EQ(content, message["content"]);
    EXPECT_EQ(content, "naïve 京 😀");
    EXPECT_EQ(reasoning, message["reasoning_content"]);
    EXPECT_EQ(finish, "stop");
    EXPECT_EQ(logprobs, whole["choices"][0]["logprobs"]["content"]);
    EXPECT_EQ(logprobs[0]["logprob"], -0.25);
    EXPECT_EQ(logprobs[0]["top_logprobs"].size(), 2u);
    EXPECT_TRUE(events.back()["choices"].empty());
    EXPECT_EQ(events.back()["usage"], whole["usage"]);
  }
}

TEST_F(HttpGenerateTest, TokenIdsOnRequest) {
  world_.SetScript(Say("one two", 2));
  json request = Body(std::string(kHello) + R"(, "return_token_ids": true)");
  const json whole = json::parse(Post(kChat, request).body);
  std::vector<TokenId> expected = Encode("one two");
  expected.push_back(TestModel().config.eos_token_id);
  EXPECT_EQ(whole["choices"][0]["token_ids"], expected);
  request["stream"] = true;
  std::vector<TokenId> streamed;
  for (const json& event : Events(Post(kChat, request).body)) {
    for (const json& id : event["choices"][0].value("token_ids", json::array())) {
      streamed.push_back(id);
    }
  }
  EXPECT_EQ(streamed, expected);
}

TEST_F(HttpGenerateTest, UsageComesOnlyWhenAskedFor) {
  world_.SetScript(Say("ok"));
  for (const json& event :
       Events(Post(kChat, Body(std::string(kHello) + R"(, "stream": true)")).body)) {
    EXPECT_FALSE(event.contains("usage"));
    EXPECT_EQ(event["choices"].size(), 1u);
  }
}

TEST_F(HttpGenerateTest, Completions) {
  DecodeScript script = Say("<think> stays, b");
  script.finish = FinishReason::kLength;
  world_.SetScript(script);
  json request = Body(R"("prompt": "once", "logprobs": 1, "max_tokens": 9)");
  const json whole = json::parse(Post(kText, request).body);
  EXPECT_EQ(whole["object"], "text_completion");
  EXPECT_EQ(whole["choices"][0]["text"], "<think> stays, b");
  EXPECT_EQ(whole["choices"][0]["finish_reason"], "length");
  EXPECT_EQ(world_.LastRequest().prompt_ids.front(), TestModel().config.bos_token_id);
  const json& logprobs = whole["choices"][0]["logprobs"];
  EXPECT_EQ(logprobs["tokens"][0], "<think>");
  EXPECT_EQ(logprobs["text_offset"][1], 7);
  EXPECT_EQ(logprobs["token_logprobs"][1], -0.5);

  request["stream"] = true;
  std::string text;
  for (const json& event : Events(Post(kText, request).body)) text += event["choices"][0]["text"];
  EXPECT_EQ(text, "<think> stays, b");

  request["prompt"] = json::array({7, 8, 9});
  ASSERT_EQ(Post(kText, request).status, 200);
  EXPECT_THAT(world_.LastRequest().prompt_ids, testing::ElementsAre(7, 8, 9));
}

TEST_F(HttpGenerateTest, ASeedIsDrawnAndToldAndMaxTokensFitTheContext) {
  world_.SetScript(Say("ok"));
  const json answer =
      json::parse(Post(kChat, Body(std::string(kHello) + R"(, "max_tokens": 1000000)")).body);
  const DecodeSpec seen = world_.LastRequest();
  EXPECT_EQ(answer["seed"], seen.seed);
  EXPECT_EQ(seen.max_tokens + seen.prompt_ids.size(),
            static_cast<size_t>(TestModel().context_length()));
}

TEST_F(HttpGenerateTest, ContentPartsEqualOneString) {
  world_.SetScript(Say("ok"));
  Post(kChat, Body(kHello));
  const std::vector<int32_t> plain = world_.LastRequest().prompt_ids;
  Post(
      kChat,
      Body(
          R"("messages": [{"role": "user", "content": [{"type": "text", "text": "hel"}, {"type": "text", "text": "lo"}]}])"));
  EXPECT_EQ(world_.LastRequest().prompt_ids, plain);
}

TEST_F(HttpGenerateTest, OtherPages) {
  const json models = json::parse(Fetch(world_.http(), "GET", "/v1/models").body);
  EXPECT_EQ(models["data"][0]["id"], "test-model");
  EXPECT_EQ(models["data"][0]["context_length"], 2048);
  EXPECT_EQ(json::parse(Fetch(world_.http(), "GET", "/v1/models/test-model").body),
            models["data"][0]);
  EXPECT_EQ(Fetch(world_.http(), "GET", "/health").status, 200);
  const json ready = json::parse(Fetch(world_.http(), "GET", "/ready").body);
  EXPECT_EQ(ready["ready"], true);
  EXPECT_EQ(ready["members"].size(), 3u);
  const HttpReply page = Fetch(world_.http(), "GET", "/");
  EXPECT_EQ(page.headers.at("content-type"), "text/html; charset=utf-8");
  EXPECT_THAT(page.body, testing::HasSubstr("/v1/chat/completions"));
  EXPECT_THAT(page.body, testing::EndsWith("</html>\n"));
}

TEST_F(HttpGenerateTest, CountsWhatItDid) {
  world_.SetScript(Say("ok"));
  Post(kChat, Body(kHello));
  Post(kChat, Body(R"("messages": 1)"));
  EXPECT_TRUE(world_.WaitMetric(
      R"(conclave_router_requests_total{code="200",endpoint="/v1/chat/completions"})", 1));
  EXPECT_TRUE(world_.WaitMetric(
      R"(conclave_router_requests_total{code="400",endpoint="/v1/chat/completions"})", 1));
  EXPECT_EQ(world_.Metric(R"(conclave_router_tokens_total{kind="completion"})"),
            static_cast<double>(Encode("ok").size() + 1));
  EXPECT_EQ(world_.Metric("conclave_router_ttft_seconds_count"), 1);
  EXPECT_EQ(world_.Metric("conclave_router_ready"), 1);
  EXPECT_TRUE(world_.WaitMetric("conclave_router_in_flight", 0));
}

}  // namespace
}  // namespace conclave
