#include "common/model/tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <stdexcept>

#include "tests/unit/common/model/files.h"
#include "tests/unit/common/model/small_tokenizer.h"

namespace conclave {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;
using testing_files::SmallTokenizer;

std::unique_ptr<Tokenizer> Make(const json& document) {
  auto tokenizer = Tokenizer::Parse(document.dump(), "tokenizer.json");
  if (!tokenizer.ok()) throw std::runtime_error(Message(tokenizer.status()));
  return std::move(tokenizer).value();
}

std::vector<TokenId> Encode(const Tokenizer& tokenizer, std::string_view text) {
  auto ids = tokenizer.Encode(text);
  EXPECT_TRUE(ids.ok()) << ids.status();
  return ids.ok() ? *ids : std::vector<TokenId>();
}

TEST(Tokenizer, MergesByRankInsidePieces) {
  auto tokenizer = Make(SmallTokenizer());
  EXPECT_THAT(Encode(*tokenizer, ""), ElementsAre());
  EXPECT_THAT(Encode(*tokenizer, "abc"), ElementsAre('a', 258));  // "b c" ranks before "a b"
  EXPECT_THAT(Encode(*tokenizer, "abab"), ElementsAre(256, 256));
  EXPECT_THAT(Encode(*tokenizer, " ab"), ElementsAre(' ', 256));  // "a b" ranks before "Ġ a"
  EXPECT_THAT(Encode(*tokenizer, " ax"), ElementsAre(259, 'x'));
  EXPECT_THAT(Encode(*tokenizer, "  a"),
              ElementsAre(' ', 259));  // the last space goes with the word
  EXPECT_THAT(Encode(*tokenizer, "a1b"), ElementsAre('a', '1', 'b'));
  EXPECT_THAT(Encode(*tokenizer, "é"), ElementsAre(0xC3, 0xA9));
}

TEST(Tokenizer, TakesMergesAsPairs) {
  json document = SmallTokenizer();
  document["model"]["merges"] = json::parse(R"([["b", "c"], ["a", "b"], ["ab", "c"], ["Ġ", "a"]])");
  EXPECT_THAT(Encode(*Make(document), "abc abab"), ElementsAre('a', 258, ' ', 256, 256));
}

TEST(Tokenizer, FindsAddedTokensLongestFirstAndUnnormalizedBefore) {
  auto tokenizer = Make(SmallTokenizer());
  EXPECT_THAT(Encode(*tokenizer, "a<s>b"), ElementsAre('a', 260, 'b'));
  EXPECT_THAT(Encode(*tokenizer, "<say>h"), ElementsAre(261, 'h'));
  EXPECT_THAT(Encode(*tokenizer, "<say>hi"), ElementsAre(262));
  EXPECT_THAT(Encode(*tokenizer, "<say"), ElementsAre('<', 's', 'a', 'y'));
  // <s> is cut out before the others are looked for, so "y><s>" never matches.
  EXPECT_THAT(Encode(*tokenizer, "y><s>"), ElementsAre('y', '>', 260));
  EXPECT_THAT(Encode(*tokenizer, "<s><s>"), ElementsAre(260, 260));
}

TEST(Tokenizer, DecodesLossily) {
  auto tokenizer = Make(SmallTokenizer());
  const std::vector<TokenId> ids = {260, 'a', 0xC3, 259, 0xE4, 0xB8, 261};
  EXPECT_EQ(*tokenizer->Decode(ids, false), "<s>a\uFFFD a\uFFFD<say>");
  EXPECT_EQ(*tokenizer->Decode(ids, true), "a\uFFFD a\uFFFD<say>");
  EXPECT_EQ(*tokenizer->Decode({}, true), "");
}

TEST(Tokenizer, RefusesIdsAndTextOutsideItsDomain) {
  auto tokenizer = Make(SmallTokenizer());
  for (TokenId id : {-1, 264, INT32_MAX, INT32_MIN}) {
    auto text = tokenizer->Decode(std::vector<TokenId>{'a', id}, false);
    EXPECT_TRUE(absl::IsInvalidArgument(text.status()));
    EXPECT_THAT(Message(text.status()), HasSubstr("ids[1] is " + std::to_string(id)));
    EXPECT_EQ(tokenizer->TokenBytes(id), "");
    EXPECT_FALSE(tokenizer->IsSpecial(id));
  }
  for (const char* text :
       {"ab\xff", "ab\xc3", "ab\xed\xa0\x80", "ab\xc0\x80", "ab\xf4\x90\x80\x80"}) {
    auto ids = tokenizer->Encode(text);
    EXPECT_TRUE(absl::IsInvalidArgument(ids.status()));
    EXPECT_THAT(Message(ids.status()), HasSubstr("at byte 2"));
  }
}

// Gaps in the numbering are no tokens.
TEST(Tokenizer, ToleratesUnusedIds) {
  json document = SmallTokenizer();
  document["added_tokens"].push_back(testing_files::AddedToken(270, "<end>", true, false));
  auto tokenizer = Make(document);
  EXPECT_EQ(tokenizer->VocabSize(), 271);
  EXPECT_FALSE(tokenizer->Decode(std::vector<TokenId>{265}, false).ok());
  EXPECT_EQ(tokenizer->FindToken("<end>"), 270);
  EXPECT_EQ(tokenizer->FindToken(" a"), 259);
  EXPECT_EQ(tokenizer->FindToken("Ġa"), std::nullopt);
  EXPECT_EQ(tokenizer->FindToken(""), std::nullopt);
}

TEST(Tokenizer, LoadNamesTheFile) {
  testing_files::TempDir dir;
  EXPECT_TRUE(absl::IsNotFound(Tokenizer::Load(dir.path()).status()));
  dir.Write("tokenizer.json", "{");
  EXPECT_THAT(Message(Tokenizer::Load(dir.path()).status()),
              HasSubstr(dir.path() + "/tokenizer.json"));
  dir.Write("tokenizer.json", SmallTokenizer().dump());
  EXPECT_TRUE(Tokenizer::Load(dir.path()).ok());
}

TEST(TokenizerPipeline, NormalisesToFormC) {
  json document = SmallTokenizer();
  document["normalizer"] = {{"type", "NFC"}};
  document["added_tokens"].push_back(testing_files::AddedToken(264, "e\u0301!", false, true));
  document["added_tokens"].push_back(testing_files::AddedToken(265, "o\u0308?", false, false));
  auto tokenizer = Tokenizer::Parse(document.dump(), "t");
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  const std::vector<TokenId> composed = {0xC3, 0xA9};
  EXPECT_EQ(*(*tokenizer)->Encode("e\u0301"), composed);
  EXPECT_EQ(*(*tokenizer)->Encode("\u00e9"), composed);
  // A literal of the second pass is found in either spelling, one of the first only in its own.
  EXPECT_EQ(*(*tokenizer)->Encode("\u00e9!"), std::vector<TokenId>{264});
  EXPECT_EQ(*(*tokenizer)->Encode("e\u0301!"), std::vector<TokenId>{264});
  EXPECT_EQ(*(*tokenizer)->Encode("o\u0308?"), std::vector<TokenId>{265});
  EXPECT_EQ(*(*tokenizer)->Encode("\u00f6?"), (std::vector<TokenId>{0xC3, 0xB6, '?'}));
}

TEST(TokenizerPipeline, KeepsWholePiecesWithIgnoreMerges) {
  json document = SmallTokenizer();
  document["model"]["vocab"]["cab"] = 264;  // no merge leads there
  auto merging = Tokenizer::Parse(document.dump(), "t");
  document["model"]["ignore_merges"] = true;
  auto whole = Tokenizer::Parse(document.dump(), "t");
  ASSERT_TRUE(merging.ok() && whole.ok());
  EXPECT_EQ(*(*merging)->Encode("cab"), (std::vector<TokenId>{'c', 256}));
  EXPECT_EQ(*(*whole)->Encode("cab"), std::vector<TokenId>{264});
  EXPECT_EQ(*(*whole)->Encode("cabc"), (std::vector<TokenId>{'c', 'a', 258}));
}

TEST(TokenizerPipeline, SplitsDigits) {
  for (const bool individual : {true, false}) {
    json document = SmallTokenizer();
    document["model"]["vocab"]["12"] = 264;
    document["model"]["merges"].push_back("1 2");
    document["pre_tokenizer"]["pretokenizers"][0] = {{"type", "Digits"},
                                                     {"individual_digits", individual}};
    auto tokenizer = Tokenizer::Parse(document.dump(), "t");
    ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
    EXPECT_EQ(*(*tokenizer)->Encode("12"),
              individual ? (std::vector<TokenId>{'1', '2'}) : std::vector<TokenId>{264});
  }
}

// Vocabularies without tokens for the bytes that no UTF-8 has.
TEST(TokenizerPipeline, NeedsOnlyTheBytesOfUtf8) {
  json document = SmallTokenizer();
  document["model"]["vocab"].erase(testing_files::ByteText(0xF8));
  document["added_tokens"].push_back(testing_files::AddedToken(264, "\u00f8", false, true));
  auto tokenizer = Tokenizer::Parse(document.dump(), "t");
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  EXPECT_EQ(*(*tokenizer)->Encode("\u00f8"), std::vector<TokenId>{264});
  EXPECT_EQ(*(*tokenizer)->Decode(std::vector<TokenId>{264}, false), "\u00f8");
}

}  // namespace
}  // namespace conclave
