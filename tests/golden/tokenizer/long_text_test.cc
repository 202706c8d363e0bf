// Megabyte texts, also ones that are a single piece: they would not end in time if encoding were
// quadratic.
#include <gtest/gtest.h>

#include "tests/golden/tokenizer/golden_files.h"

namespace conclave {
namespace {

constexpr size_t kBytes = 1'000'000;

std::string Repeat(std::string_view unit) {
  std::string text;
  while (text.size() < kBytes) text += unit;
  return text;
}

class LongText : public testing::TestWithParam<const char*> {};

TEST_P(LongText, EncodesAndDecodesBack) {
  const std::string text = Repeat(GetParam());
  auto ids = golden::DeepseekV3Tokenizer().Encode(text);
  ASSERT_TRUE(ids.ok()) << ids.status();
  EXPECT_LE(ids->size(), text.size());
  auto back = golden::DeepseekV3Tokenizer().Decode(*ids, false);
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_TRUE(*back == text);
}

INSTANTIATE_TEST_SUITE_P(
    Units, LongText,
    testing::Values("a", " ", "\n", " \n", "1", "!", "\x01", "<", "<｜", "<｜User｜>", "é", "中",
                    "🙂", "\u0301",
                    "The quick brown fox, 12345 jumps über 中文字 the dog.\n    if (x) {}\n"));

// Pieces are independent of what lies around them, so a long text is the concatenation of its
// parts.
TEST(LongText, PartsCutAtLiteralsEncodeAlone) {
  const Tokenizer& tokenizer = golden::DeepseekV3Tokenizer();
  std::string text;
  std::vector<TokenId> want;
  for (const auto& item : golden::Cases()["encode"]) {
    text += item["text"].get<std::string>() + "<｜User｜>";
    for (TokenId id : item["ids"]) want.push_back(id);
    want.push_back(128803);
  }
  auto ids = tokenizer.Encode(text);
  ASSERT_TRUE(ids.ok()) << ids.status();
  EXPECT_EQ(*ids, want);
}

}  // namespace
}  // namespace conclave
