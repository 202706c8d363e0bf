#include "common/model/pre_tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace conclave {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::vector<std::string> Split(const std::vector<std::string>& patterns, std::string_view text) {
  auto splitter = PreTokenizer::Create(patterns, "test");
  if (!splitter.ok()) {
    ADD_FAILURE() << splitter.status();
    return {};
  }
  std::vector<std::string_view> pieces;
  EXPECT_TRUE((*splitter)->Split(text, pieces).ok());
  return {pieces.begin(), pieces.end()};
}

TEST(PreTokenizer, IsolatesMatchesAndKeepsTheRest) {
  EXPECT_THAT(Split({}, "ab"), ElementsAre("ab"));
  EXPECT_THAT(Split({"b"}, ""), ElementsAre());
  EXPECT_THAT(Split({"b"}, "abbc"), ElementsAre("a", "b", "b", "c"));
  EXPECT_THAT(Split({"b+"}, "bb"), ElementsAre("bb"));
}

TEST(PreTokenizer, LaterPatternsWorkInsidePieces) {
  EXPECT_THAT(Split({"\\p{N}{1,3}", "[a-z]+"}, "ab12345c-"),
              ElementsAre("ab", "123", "45", "c", "-"));
  // A piece's end counts as the end of the text for a lookahead.
  EXPECT_THAT(Split({"\\s+(?!\\S)|\\s+"}, "  1"), ElementsAre(" ", " ", "1"));
  EXPECT_THAT(Split({"\\p{N}", "\\s+(?!\\S)|\\s+"}, "  1"), ElementsAre("  ", "1"));
}

TEST(PreTokenizer, ClassesAreUnicodes) {
  EXPECT_THAT(Split({"\\p{N}{1,3}"}, "Ⅷ²½٣x"), ElementsAre("Ⅷ²½", "٣", "x"));
  EXPECT_THAT(Split({"[\u4e00-\u9fa5]+"}, "a中文b"), ElementsAre("a", "中文", "b"));
  // U+180E is not white space; PCRE2's own \s says it is. U+0085 and U+3000 are.
  EXPECT_THAT(Split({"\\s+"}, "x\u180ey"), ElementsAre("x\u180ey"));
  EXPECT_THAT(Split({"[x\\s]+"}, "a\u180eb"), ElementsAre("a\u180eb"));
  EXPECT_THAT(Split({"\\S+"}, " x\u180ey "), ElementsAre(" ", "x\u180ey", " "));
  EXPECT_THAT(Split({"\\s+"}, "x\u0085\u3000\u2028\ty"),
              ElementsAre("x", "\u0085\u3000\u2028\t", "y"));
  EXPECT_THAT(Split({"\\s"}, "x\u200by"), ElementsAre("x\u200by"));
}

TEST(PreTokenizer, RefusesPatternsItCannotFollowExactly) {
  for (const char* pattern :
       {"(", "[a", "x*", "a|", "(?=a)", "[\\S]", "[a-z&&[^b]]", "\\C", "\\p{Nonsense}"}) {
    auto splitter = PreTokenizer::Create({pattern}, "file");
    ASSERT_FALSE(splitter.ok()) << pattern;
    EXPECT_TRUE(absl::IsInvalidArgument(splitter.status()));
    EXPECT_THAT(Message(splitter.status()), HasSubstr(pattern));
    EXPECT_THAT(Message(splitter.status()), HasSubstr("file"));
  }
}

}  // namespace
}  // namespace conclave
