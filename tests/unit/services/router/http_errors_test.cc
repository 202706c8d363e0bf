// Every refusal has the right status and an OpenAI-shaped body, and harms nobody else.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/unit/services/router/http_client.h"
#include "tests/unit/services/router/router_world.h"

namespace conclave {
namespace {

using nlohmann::json;
using testing::HasSubstr;

constexpr char kChat[] = "/v1/chat/completions";
constexpr char kHello[] = R"({"messages": [{"role": "user", "content": "hello"}]})";

struct Expected {
  int status;
  const char* type;
  json param;
  json code;
  const char* text;
};

void ExpectError(const HttpReply& reply, const Expected& expected) {
  EXPECT_EQ(reply.status, expected.status) << reply.body;
  const json body = json::parse(reply.body, nullptr, /*allow_exceptions=*/false);
  ASSERT_TRUE(body.is_object() && body.contains("error")) << reply.body;
  const json& error = body["error"];
  EXPECT_EQ(error["type"], expected.type);
  EXPECT_EQ(error["param"], expected.param);
  EXPECT_EQ(error["code"], expected.code);
  EXPECT_THAT(error["message"].get<std::string>(), HasSubstr(expected.text));
}

class HttpErrorsTest : public testing::Test {
 protected:
  // Whatever was refused before, an honest request is served.
  void TearDown() override {
    world_.SetScript(Say("fine"));
    EXPECT_EQ(Fetch(world_.http(), "POST", kChat, kHello).status, 200);
  }
  HttpReply Chat(const std::string& fields) {
    return Fetch(world_.http(), "POST", kChat,
                 R"({"messages": [{"role": "user", "content": "hello"}], )" + fields + "}");
  }
  RouterWorld world_{[] {
    RouterConfig config;
    config.max_in_flight = 1;
    config.max_body_bytes = 100000;
    return config;
  }()};
};

TEST_F(HttpErrorsTest, BadRequests) {
  constexpr char kBad[] = "invalid_request_error";
  ExpectError(Fetch(world_.http(), "POST", kChat, "{\"messages\": [}"),
              {400, kBad, nullptr, nullptr, "line 1, column 15"});
  ExpectError(Fetch(world_.http(), "POST", kChat, ""), {400, kBad, nullptr, nullptr, "is empty"});
  ExpectError(Fetch(world_.http(), "POST", kChat, "{}"),
              {400, kBad, "messages", nullptr, "is missing"});
  ExpectError(Fetch(world_.http(), "POST", kChat, R"({"messages": []})"),
              {400, kBad, "messages", nullptr, "at least one"});
  ExpectError(
      Fetch(world_.http(), "POST", kChat, R"({"messages": [{"role": "robot", "content": "x"}]})"),
      {400, kBad, "messages[0].role", nullptr,
       "'robot', but must be one of system, user, assistant, tool"});
  ExpectError(Chat(R"("temperature": 3)"), {400, kBad, "temperature", nullptr,
                                            "'temperature' is 3, but must be between 0 and 2"});
  ExpectError(Chat(R"("top_p": 0)"), {400, kBad, "top_p", nullptr, "'top_p' is 0"});
  ExpectError(Chat(R"("max_tokens": -5)"),
              {400, kBad, "max_tokens", nullptr, "'max_tokens' is -5"});
  ExpectError(Chat(R"("max_tokens": "many")"),
              {400, kBad, "max_tokens", nullptr, "must be an integer, but is \"many\""});
  ExpectError(Chat(R"("n": 2)"), {400, kBad, "n", nullptr, "only 1 is supported"});
  ExpectError(Chat(R"("stop": [""])"), {400, kBad, "stop", nullptr, "empty string"});
  ExpectError(Chat(R"("seed": 1.5)"), {400, kBad, "seed", nullptr, "between 0 and 2^64 - 1"});
  ExpectError(Fetch(world_.http(), "POST", "/v1/completions", R"({"prompt": [5, 100000]})"),
              {400, kBad, "prompt", nullptr, "'prompt[1]' is token id 100000"});
}

TEST_F(HttpErrorsTest, PromptBeyondTheContext) {
  std::string words;
  for (int i = 0; i < 3000; ++i) words += "word ";
  const HttpReply reply =
      Fetch(world_.http(), "POST", kChat,
            json{{"messages", {{{"role", "user"}, {"content", words}}}}}.dump());
  ExpectError(reply, {400, "invalid_request_error", "messages", "context_length_exceeded",
                      "context is 2048 tokens"});
}

TEST_F(HttpErrorsTest, UnknownThings) {
  ExpectError(Chat(R"("model": "gpt-9")"),
              {404, "invalid_request_error", "model", "model_not_found",
               "'gpt-9' does not exist here; this cluster serves 'test-model'"});
  ExpectError(Fetch(world_.http(), "GET", "/v1/models/gpt-9"),
              {404, "invalid_request_error", "model", "model_not_found", "'gpt-9'"});
  ExpectError(Fetch(world_.http(), "GET", "/v2/else"),
              {404, "invalid_request_error", nullptr, "not_found", "/v2/else"});
  const HttpReply get = Fetch(world_.http(), "GET", kChat);
  ExpectError(get, {405, "invalid_request_error", nullptr, "method_not_allowed", "use POST"});
  EXPECT_EQ(get.headers.at("allow"), "POST");
  ExpectError(Fetch(world_.http(), "DELETE", "/v1/models"),
              {405, "invalid_request_error", nullptr, "method_not_allowed", "use GET"});
}

TEST_F(HttpErrorsTest, BodyTooLarge) {
  ExpectError(Fetch(world_.http(), "POST", kChat, std::string(100001, ' ')),
              {413, "invalid_request_error", nullptr, "request_too_large", "100000 bytes"});
}

TEST_F(HttpErrorsTest, Overload) {
  DecodeScript hang;
  hang.hang = true;
  world_.SetScript(hang);
  {
    HttpConnection busy(world_.http());
    busy.Send("POST /v1/chat/completions HTTP/1.1\r\nContent-Length: " +
              std::to_string(sizeof(kHello) - 1) + "\r\n\r\n" + kHello);
    world_.LastRequest();
    const HttpReply reply = Fetch(world_.http(), "POST", kChat, kHello);
    ExpectError(reply,
                {429, "rate_limit_error", nullptr, "overloaded", "1 generations are in flight"});
    EXPECT_EQ(reply.headers.at("retry-after"), "1");
  }
  EXPECT_TRUE(world_.WaitMetric("conclave_router_in_flight", 0));
}

TEST_F(HttpErrorsTest, DeadlineOfASilentWorker) {
  DecodeScript hang;
  hang.hang = true;
  world_.SetScript(hang);
  ExpectError(
      Fetch(world_.http(), "POST", kChat, kHello, "X-Request-Timeout-Ms: 100\r\n"),
      {504, "timeout_error", nullptr, "deadline_exceeded", "the request's deadline passed"});
  EXPECT_TRUE(world_.WaitCancelled(1));
  ExpectError(Fetch(world_.http(), "POST", kChat, kHello, "X-Request-Timeout-Ms: soon\r\n"),
              {400, "invalid_request_error", "X-Request-Timeout-Ms", nullptr, "'soon'"});
  EXPECT_TRUE(world_.WaitMetric("conclave_router_in_flight", 0));
}

TEST_F(HttpErrorsTest, ErrorsOfTheWorkerKeepTheirMeaning) {
  const auto fail = [&](absl::Status status) {
    DecodeScript script;
    script.error = std::move(status);
    world_.SetScript(script);
    return Fetch(world_.http(), "POST", kChat, kHello);
  };
  ExpectError(fail(Unavailable("expert 3 has no replica")),
              {503, "service_unavailable_error", nullptr, "unavailable",
               "decode worker decode-0: expert 3"});
  ExpectError(fail(ResourceExhausted("no KV pages")),
              {429, "rate_limit_error", nullptr, "overloaded", "no KV pages"});
  ExpectError(fail(Internal("broken")), {500, "server_error", nullptr, nullptr, "broken"});
}

TEST_F(HttpErrorsTest, AnErrorInAStreamIsItsLastEvent) {
  DecodeScript script = Say("some text", 100);
  script.error = Unavailable("the worker was lost");
  world_.SetScript(script);
  const HttpReply reply = Chat(R"("stream": true)");
  EXPECT_EQ(reply.status, 200);
  EXPECT_THAT(reply.body, testing::Not(HasSubstr("[DONE]")));
  const size_t last = reply.body.rfind("data: ");
  const json error = json::parse(reply.body.substr(last + 6));
  EXPECT_EQ(error["error"]["type"], "service_unavailable_error");
  EXPECT_THAT(reply.body.substr(0, last), HasSubstr("text"));
}

TEST(HttpNotReady, NamesWhatIsMissing) {
  RouterWorld world({}, /*with_workers=*/false);
  EXPECT_EQ(Fetch(world.http(), "GET", "/health").status, 200);
  const auto wait = world.router().WaitReady(Now());
  EXPECT_EQ(wait.code(), absl::StatusCode::kDeadlineExceeded);
  const HttpReply ready = Fetch(world.http(), "GET", "/ready");
  EXPECT_EQ(ready.status, 503);
  EXPECT_EQ(json::parse(ready.body)["ready"], false);
  const HttpReply reply = Fetch(world.http(), "POST", kChat, kHello);
  ExpectError(reply, {503, "service_unavailable_error", nullptr, "unavailable",
                      "no decode worker is registered"});
  EXPECT_EQ(reply.headers.at("retry-after"), "1");
}

}  // namespace
}  // namespace conclave
