#include "services/router/text_stream.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/services/router/test_model.h"

namespace conclave {
namespace {

struct Result {
  std::string content, reasoning;
  bool stopped = false;
  size_t used = 0;  // tokens
  int reasoning_tokens = 0;
};

Result RunTokens(const std::vector<TokenId>& tokens, TextStream::Options options) {
  TextStream stream(*TestModel().tokenizer, std::move(options));
  Result result;
  const auto add = [&](const TextStream::Piece& piece) {
    result.content += piece.content;
    result.reasoning += piece.reasoning;
  };
  for (TokenId token : tokens) {
    if (stream.stopped()) break;
    add(stream.Push(token));
    ++result.used;
  }
  add(stream.Finish());
  result.stopped = stream.stopped();
  result.reasoning_tokens = stream.reasoning_tokens();
  return result;
}

TEST(TextStream, JoinsCharactersThatTokensBreak) {
  const std::string text = "naïve 東京 😀 ok";
  const std::vector<TokenId> tokens = Encode(text);
  ASSERT_GT(tokens.size(),
            12u);  // the vocabulary is small: these characters take several tokens each
  TextStream stream(*TestModel().tokenizer, {});
  std::string all;
  for (TokenId token : tokens) {
    const std::string piece = stream.Push(token).content;
    EXPECT_EQ(piece.find("\xEF\xBF\xBD"), std::string::npos);
    all += piece;
  }
  EXPECT_EQ(all + stream.Finish().content, text);
}

TEST(TextStream, AnUnfinishedCharacterBecomesOneReplacement) {
  std::vector<TokenId> tokens = Encode("a😀");
  tokens.pop_back();
  EXPECT_EQ(RunTokens(tokens, {}).content, "a\xEF\xBF\xBD");
}

TEST(TextStream, StopStringAcrossTokensIsCutAndNotShown) {
  const std::vector<TokenId> tokens = Encode("one two three four");
  const Result result = RunTokens(tokens, {.stops = {"wo th"}});
  EXPECT_EQ(result.content, "one t");
  EXPECT_TRUE(result.stopped);
  EXPECT_LT(result.used, tokens.size());
}

TEST(TextStream, BeginningOfAStopStringComesOutAtTheEnd) {
  const Result result = RunTokens(Encode("one two thr"), {.stops = {"three"}});
  EXPECT_EQ(result.content, "one two thr");
  EXPECT_FALSE(result.stopped);
}

TEST(TextStream, SplitsReasoningAndCountsItsTokens) {
  const std::vector<TokenId> thought = Encode("8 + 7 = 15");
  std::vector<TokenId> tokens = Encode("<think>\n8 + 7 = 15\n</think>\n\n125");
  const Result result = RunTokens(tokens, {.split_reasoning = true});
  EXPECT_EQ(result.reasoning, "8 + 7 = 15");
  EXPECT_EQ(result.content, "125");
  EXPECT_GE(result.reasoning_tokens, static_cast<int>(thought.size()));
  EXPECT_LT(result.reasoning_tokens, static_cast<int>(tokens.size()) - 3);
}

TEST(TextStream, ReasoningMayBeginInThePrompt) {
  const Result result =
      RunTokens(Encode("because</think>yes"), {.split_reasoning = true, .starts_reasoning = true});
  EXPECT_EQ(result.reasoning, "because");
  EXPECT_EQ(result.content, "yes");
  EXPECT_EQ(result.reasoning_tokens, static_cast<int>(Encode("because").size()));
}

TEST(TextStream, StopStringsDoNotCutReasoning) {
  const Result result =
      RunTokens(Encode("<think>a\nb</think>c\nd"), {.split_reasoning = true, .stops = {"\n"}});
  EXPECT_EQ(result.reasoning, "a\nb");
  EXPECT_EQ(result.content, "c");
  EXPECT_TRUE(result.stopped);
}

TEST(TextStream, PlainTextKeepsTheTags) {
  const Result result = RunTokens(Encode("<think>a</think>b"), {});
  EXPECT_EQ(result.content, "<think>a</think>b");
  EXPECT_EQ(result.reasoning_tokens, 0);
}

TEST(TextStream, EndOfSequenceHasNoText) {
  std::vector<TokenId> tokens = Encode("ok");
  tokens.push_back(TestModel().config.eos_token_id);
  EXPECT_EQ(RunTokens(tokens, {}).content, "ok");
}

}  // namespace
}  // namespace conclave
