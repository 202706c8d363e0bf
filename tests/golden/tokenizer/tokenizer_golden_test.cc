// Every golden encoding and decoding, whole and streamed.
#include <gtest/gtest.h>

#include "common/model/stream_decoder.h"
#include "tests/golden/tokenizer/golden_files.h"

namespace conclave {
namespace {

using nlohmann::json;

std::vector<TokenId> Ids(const json& item) { return item["ids"].get<std::vector<TokenId>>(); }

std::string Stream(const std::vector<TokenId>& ids, bool skip_special) {
  StreamDecoder decoder(golden::DeepseekV3Tokenizer(), skip_special);
  std::string text;
  for (TokenId id : ids) text += decoder.Push(id);
  return text + decoder.Finish();
}

void ExpectDecodes(const std::vector<TokenId>& ids, bool skip_special, const std::string& want,
                   size_t index) {
  auto text = golden::DeepseekV3Tokenizer().Decode(ids, skip_special);
  ASSERT_TRUE(text.ok()) << "case " << index << ": " << text.status();
  EXPECT_EQ(*text, want) << "case " << index << ", skip_special " << skip_special;
  EXPECT_EQ(Stream(ids, skip_special), want)
      << "case " << index << " streamed, skip_special " << skip_special;
}

TEST(TokenizerGolden, AllEncodings) {
  const json& cases = golden::Cases()["encode"];
  ASSERT_EQ(cases.size(), 310u);
  for (size_t i = 0; i < cases.size(); ++i) {
    const std::string text = cases[i]["text"];
    auto ids = golden::DeepseekV3Tokenizer().Encode(text);
    ASSERT_TRUE(ids.ok()) << "case " << i << ": " << ids.status();
    EXPECT_EQ(*ids, Ids(cases[i]))
        << "case " << i << " of " << cases[i]["cat"] << ": " << cases[i]["text"];
  }
}

TEST(TokenizerGolden, EncodingsDecodeBack) {
  const json& cases = golden::Cases()["encode"];
  size_t skipping = 0;
  for (size_t i = 0; i < cases.size(); ++i) {
    const std::string text = cases[i]["text"];
    const std::string whole =
        cases[i]["decoded_equals_text"].get<bool>() ? text : cases[i]["decoded"].get<std::string>();
    ExpectDecodes(Ids(cases[i]), false, whole, i);
    skipping += cases[i].contains("decoded_skip_special");
    ExpectDecodes(Ids(cases[i]), true, cases[i].value("decoded_skip_special", whole), i);
  }
  EXPECT_GT(skipping, 0u);
}

TEST(TokenizerGolden, AllDecodings) {
  const json& cases = golden::Cases()["decode"];
  ASSERT_EQ(cases.size(), 80u);
  size_t replaced = 0;
  for (size_t i = 0; i < cases.size(); ++i) {
    const std::string whole = cases[i]["decoded"];
    replaced += whole.find("\xEF\xBF\xBD") != std::string::npos;
    ExpectDecodes(Ids(cases[i]), false, whole, i);
    ExpectDecodes(Ids(cases[i]), true, cases[i].value("decoded_skip_special", whole), i);
  }
  EXPECT_GT(replaced, 0u);
}

TEST(TokenizerGolden, KnownTokens) {
  const Tokenizer& tokenizer = golden::DeepseekV3Tokenizer();
  EXPECT_EQ(tokenizer.VocabSize(), 128815);
  EXPECT_EQ(tokenizer.FindToken("<｜begin▁of▁sentence｜>"), 0);
  EXPECT_EQ(tokenizer.FindToken("<｜end▁of▁sentence｜>"), 1);
  EXPECT_EQ(tokenizer.FindToken("<｜User｜>"), 128803);
  EXPECT_EQ(tokenizer.FindToken("<｜tool▁sep｜>"), 128814);
  EXPECT_EQ(tokenizer.FindToken("Hello"), 19923);
  EXPECT_EQ(tokenizer.FindToken("no such token at all"), std::nullopt);
  EXPECT_TRUE(tokenizer.IsSpecial(0));
  EXPECT_TRUE(tokenizer.IsSpecial(128805));
  EXPECT_FALSE(tokenizer.IsSpecial(128803));
  EXPECT_FALSE(tokenizer.IsSpecial(19923));
  EXPECT_FALSE(tokenizer.IsSpecial(-1));
  EXPECT_EQ(tokenizer.TokenBytes(128815), "");
  EXPECT_FALSE(tokenizer.Decode(std::vector<TokenId>{19923, 128815}, false).ok());
  EXPECT_FALSE(tokenizer.Decode(std::vector<TokenId>{-1}, false).ok());
}

TEST(TokenizerGolden, EveryTokensBytesAreFoundAgain) {
  const Tokenizer& tokenizer = golden::DeepseekV3Tokenizer();
  for (TokenId id = 0; id < tokenizer.VocabSize(); ++id) {
    ASSERT_FALSE(tokenizer.TokenBytes(id).empty()) << id;
    ASSERT_EQ(tokenizer.FindToken(tokenizer.TokenBytes(id)), id) << tokenizer.TokenBytes(id);
  }
}

}  // namespace
}  // namespace conclave
