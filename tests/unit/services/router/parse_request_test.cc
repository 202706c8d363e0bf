#include "services/router/http/parse_request.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "services/router/request_error.h"

namespace conclave {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(ParseChat, ReadsEverything) {
  const auto body = ParseChatBody(R"({"model": "m", "messages": [
      {"role": "developer", "content": "short"}, {"role": "user", "name": "x", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
      {"role": "assistant", "content": null}], "max_tokens": 3, "max_completion_tokens": 5.0, "temperature": 0, "top_p": 0.5,
      "seed": 18446744073709551615, "stop": "x", "stream": true, "stream_options": {"include_usage": true}, "logprobs": true,
      "top_logprobs": 2, "n": 1, "tools": [], "presence_penalty": 0, "response_format": {"type": "text"}, "whatever": {"is": "ignored"}})");
  ASSERT_TRUE(body.ok()) << body.status();
  const GenerationRequest& request = body->request;
  const auto& messages = std::get<std::vector<ChatMessage>>(request.input);
  ASSERT_EQ(messages.size(), 3u);
  EXPECT_EQ(messages[0].role, "system");
  EXPECT_EQ(messages[1].content, "ab");
  EXPECT_EQ(messages[2].content, "");
  EXPECT_EQ(request.sampling.max_tokens, 5);
  EXPECT_EQ(request.sampling.temperature, 0);
  EXPECT_EQ(request.sampling.top_p, 0.5);
  EXPECT_EQ(request.sampling.seed, UINT64_MAX);
  EXPECT_EQ(request.sampling.top_logprobs, 2);
  EXPECT_THAT(request.stop, ElementsAre("x"));
  EXPECT_TRUE(body->stream && body->include_usage && body->logprobs);
}

TEST(ParseCompletion, PromptForms) {
  EXPECT_EQ(std::get<std::string>(ParseCompletionBody(R"({"prompt": "a"})")->request.input), "a");
  EXPECT_EQ(std::get<std::string>(ParseCompletionBody(R"({"prompt": ["a"]})")->request.input), "a");
  EXPECT_THAT(
      std::get<std::vector<int32_t>>(ParseCompletionBody(R"({"prompt": [1, 2]})")->request.input),
      ElementsAre(1, 2));
  EXPECT_EQ(ParseCompletionBody(R"({"prompt": "a", "logprobs": 3})")->request.sampling.top_logprobs,
            3);
}

struct Bad {
  const char* body;
  const char* param;
  const char* text;
};

void ExpectBad(const absl::Status& status, const Bad& bad) {
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << bad.body;
  EXPECT_EQ(ErrorParam(status), bad.param) << bad.body;
  EXPECT_THAT(Message(status), HasSubstr(bad.text)) << bad.body;
}

TEST(ParseChat, ErrorsNameTheParameter) {
  const Bad cases[] = {
      {"", "", "is empty"},
      {"[]", "", "must be a JSON object, but is an array"},
      {"{\"messages\": [\n  oops]}", "", "line 2, column 3"},
      {"{\"temperature\": 1e999}", "", "not valid JSON"},
      {"{\"messages\": [{\"role\": \"user\", \"content\": \"\xff\"}]}", "", "not valid JSON"},
      {"{}", "messages", "is missing"},
      {R"({"messages": "hi"})", "messages", "must be an array of messages, but is \"hi\""},
      {R"({"messages": [7]})", "messages[0]", "must be an object, but is 7"},
      {R"({"messages": [{"content": "x"}]})", "messages[0].role", "must be a string"},
      {R"({"messages": [{"role": "user"}]})", "messages[0].content", "is missing"},
      {R"({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]})",
       "messages[0].content[0].type", "text only"},
      {R"({"messages": [], "temperature": "hot"})", "temperature",
       "must be a number, but is \"hot\""},
      {R"({"messages": [], "max_tokens": 1.5})", "max_tokens", "must be an integer, but is 1.5"},
      {R"({"messages": [], "seed": -1})", "seed", "between 0 and 2^64 - 1, but is -1"},
      {R"({"messages": [], "n": 2})", "n", "'n' is 2, but only 1 is supported"},
      {R"({"messages": [], "stop": ["a", 1]})", "stop[1]", "must be a string, but is 1"},
      {R"({"messages": [], "stream": 1})", "stream", "must be true or false"},
      {R"({"messages": [], "stream_options": {}})", "stream_options",
       "only allowed when 'stream' is true"},
      {R"({"messages": [], "top_logprobs": 2})", "top_logprobs",
       "only allowed when 'logprobs' is true"},
      {R"({"messages": [], "tools": [{"type": "function"}]})", "tools", "not supported"},
      {R"({"messages": [], "frequency_penalty": 1})", "frequency_penalty", "send 0"},
      {R"({"messages": [], "response_format": {"type": "json_object"}})", "response_format",
       "not supported"},
  };
  for (const Bad& bad : cases) ExpectBad(ParseChatBody(bad.body).status(), bad);
}

TEST(ParseCompletion, ErrorsNameTheParameter) {
  const Bad cases[] = {
      {"{}", "prompt", "is missing"},
      {R"({"prompt": {}})", "prompt",
       "must be a string, an array of one string, or an array of token ids"},
      {R"({"prompt": ["a", "b"]})", "prompt", "only one is supported"},
      {R"({"prompt": [1, -2]})", "prompt", "'prompt[1]' must be a token id, but is -2"},
      {R"({"prompt": "a", "logprobs": 21})", "logprobs", "between 0 and 20"},
      {R"({"prompt": "a", "echo": true})", "echo", "not supported"},
      {R"({"prompt": "a", "best_of": 3})", "best_of", "only 1"},
  };
  for (const Bad& bad : cases) ExpectBad(ParseCompletionBody(bad.body).status(), bad);
}

TEST(ParseChat, DeepNestingIsHarmless) {
  const std::string deep(200000, '[');
  EXPECT_FALSE(ParseChatBody("{\"messages\": " + deep).ok());
}

TEST(Validate, RangesNameValueAndLimits) {
  const auto check = [](auto change, const char* param, const char* text) {
    GenerationRequest request;
    request.input = std::string("hi");
    change(request);
    ExpectBad(ValidateRequest(request), {"", param, text});
  };
  check([](auto& r) { r.sampling.temperature = -1; }, "temperature",
        "'temperature' is -1, but must be between 0 and 2");
  check([](auto& r) { r.sampling.temperature = NAN; }, "temperature", "nan");
  check([](auto& r) { r.sampling.top_p = 0; }, "top_p", "greater than 0 and at most 1");
  check([](auto& r) { r.sampling.max_tokens = 0; }, "max_tokens", "'max_tokens' is 0");
  check([](auto& r) { r.sampling.max_tokens = int64_t{1} << 40; }, "max_tokens",
        "between 1 and 2147483647");
  check([](auto& r) { r.sampling.top_logprobs = 21; }, "top_logprobs", "between 0 and 20");
  check([](auto& r) { r.stop.assign(17, "x"); }, "stop", "17 strings");
  check([](auto& r) { r.stop = {""}; }, "stop", "empty string");
  check([](auto& r) { r.input = std::vector<ChatMessage>(); }, "messages", "at least one");
  check(
      [](auto& r) {
        r.input = std::vector<ChatMessage>{{"robot", "x"}};
      },
      "messages[0].role", "'robot'");
  check([](auto& r) { r.input = std::vector<int32_t>(); }, "prompt", "empty list");
}

}  // namespace
}  // namespace conclave
