#include "common/model/tokenizer_json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <random>

#include "tests/unit/common/model/small_tokenizer.h"

namespace conclave {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing_files::AddedToken;
using testing_files::SmallTokenizer;

struct Bad {
  const char* name;
  std::function<void(json&)> change;
  const char* message;
};

class BadTokenizerJson : public testing::TestWithParam<Bad> {};

TEST_P(BadTokenizerJson, IsRefused) {
  json document = SmallTokenizer();
  GetParam().change(document);
  auto tokenizer = Tokenizer::Parse(document.dump(), "dir/tokenizer.json");
  ASSERT_FALSE(tokenizer.ok());
  EXPECT_TRUE(absl::IsInvalidArgument(tokenizer.status())) << tokenizer.status();
  EXPECT_THAT(Message(tokenizer.status()), HasSubstr("dir/tokenizer.json"));
  EXPECT_THAT(Message(tokenizer.status()), HasSubstr(GetParam().message));
}

json& Step(json& j, int i) { return j["pre_tokenizer"]["pretokenizers"][i]; }

INSTANTIATE_TEST_SUITE_P(
    Cases, BadTokenizerJson,
    testing::Values(
        Bad{"NotAnObject", [](json& j) { j = json::array(); }, "not an object"},
        Bad{"AddedNotAList", [](json& j) { j["added_tokens"] = 3; }, "added_tokens is 3"},
        Bad{"AddedNotAnObject", [](json& j) { j["added_tokens"][1] = 3; }, "added_tokens[1]"},
        Bad{"AddedNoId", [](json& j) { j["added_tokens"][0].erase("id"); }, "field id is missing"},
        Bad{"AddedNegativeId", [](json& j) { j["added_tokens"][0]["id"] = -4; }, "field id is -4"},
        Bad{"AddedHugeId", [](json& j) { j["added_tokens"][0]["id"] = 1u << 30; },
            "field id is 1073741824"},
        Bad{"AddedEmpty", [](json& j) { j["added_tokens"][0]["content"] = ""; },
            "content is empty"},
        Bad{"AddedStrips", [](json& j) { j["added_tokens"][2]["lstrip"] = true; },
            "added_tokens[2]: field lstrip"},
        Bad{"AddedSingleWord", [](json& j) { j["added_tokens"][2]["single_word"] = true; },
            "single_word"},
        Bad{"AddedTwice",
            [](json& j) { j["added_tokens"].push_back(AddedToken(299, "<s>", true, false)); },
            "twice"},
        Bad{"AddedSameId",
            [](json& j) { j["added_tokens"].push_back(AddedToken(260, "<t>", true, false)); },
            "contradicts"},
        Bad{"AddedOverVocab",
            [](json& j) { j["added_tokens"].push_back(AddedToken(97, "<t>", true, false)); },
            "contradicts"},
        Bad{"AddedOtherId",
            [](json& j) { j["added_tokens"].push_back(AddedToken(299, "abc", true, false)); },
            "contradicts"},
        Bad{"Normalizer",
            [](json& j) {
              j["normalizer"] = {{"type", "NFKC"}};
            },
            "NFKC"},
        Bad{"NormalizerSequence",
            [](json& j) {
              j["normalizer"] = {{"type", "Sequence"},
                                 {"normalizers", {{{"type", "NFC"}}, {{"type", "Lowercase"}}}}};
            },
            "Lowercase"},
        Bad{"NoPreTokenizer", [](json& j) { j["pre_tokenizer"] = nullptr; },
            "pre_tokenizer is missing"},
        Bad{"PreTokenizerType",
            [](json& j) {
              j["pre_tokenizer"] = {{"type", "Whitespace"}};
            },
            "Whitespace"},
        Bad{"StepType", [](json& j) { Step(j, 1)["type"] = "Punctuation"; },
            "pretokenizers[1]: type \"Punctuation\""},
        Bad{"Behavior", [](json& j) { Step(j, 0)["behavior"] = "Removed"; },
            "behavior is \"Removed\""},
        Bad{"Invert", [](json& j) { Step(j, 0)["invert"] = true; }, "invert"},
        Bad{"StringPattern",
            [](json& j) {
              Step(j, 0)["pattern"] = {{"String", "x"}};
            },
            "pattern"},
        Bad{"PatternSyntax", [](json& j) { Step(j, 0)["pattern"]["Regex"] = "(ab"; },
            "does not compile"},
        Bad{"PatternMatchesEmpty", [](json& j) { Step(j, 0)["pattern"]["Regex"] = "a*"; },
            "empty string"},
        Bad{"PrefixSpace", [](json& j) { Step(j, 2)["add_prefix_space"] = true; },
            "add_prefix_space is true"},
        Bad{"UseRegex", [](json& j) { Step(j, 2).erase("use_regex"); }, "use_regex is missing"},
        Bad{"NoByteLevel", [](json& j) { j["pre_tokenizer"]["pretokenizers"].erase(2); },
            "no ByteLevel"},
        Bad{"ByteLevelFirst", [](json& j) { std::swap(Step(j, 0), Step(j, 2)); }, "not the last"},
        Bad{"Decoder",
            [](json& j) {
              j["decoder"] = {{"type", "WordPiece"}};
            },
            "decoder"},
        Bad{"NoModel", [](json& j) { j.erase("model"); }, "model is missing"},
        Bad{"ModelType", [](json& j) { j["model"]["type"] = "Unigram"; }, "type is \"Unigram\""},
        Bad{"Dropout", [](json& j) { j["model"]["dropout"] = 0.1; }, "dropout is 0.1"},
        Bad{"ByteFallback", [](json& j) { j["model"]["byte_fallback"] = true; }, "byte_fallback"},
        Bad{"IgnoreMerges", [](json& j) { j["model"]["ignore_merges"] = 1; }, "ignore_merges"},
        Bad{"SubwordPrefix", [](json& j) { j["model"]["continuing_subword_prefix"] = "##"; },
            "continuing_subword_prefix"},
        Bad{"NoVocab", [](json& j) { j["model"]["vocab"] = json::object(); }, "vocab"},
        Bad{"VocabIdText", [](json& j) { j["model"]["vocab"]["ab"] = "256"; }, "token ab"},
        Bad{"VocabIdTwice", [](json& j) { j["model"]["vocab"]["ab"] = 97; }, "id 97"},
        Bad{"ByteMissing", [](json& j) { j["model"]["vocab"].erase("q"); }, "0x71"},
        Bad{"NoMerges", [](json& j) { j["model"].erase("merges"); }, "merges"},
        Bad{"MergeOneToken", [](json& j) { j["model"]["merges"][1] = "ab"; }, "merges[1]"},
        Bad{"MergeThreeTokens", [](json& j) { j["model"]["merges"][1] = "a b c"; }, "merges[1]"},
        Bad{"MergeNumber", [](json& j) { j["model"]["merges"][1] = 5; }, "merges[1] is 5"},
        Bad{"MergeUnknownPart", [](json& j) { j["model"]["merges"][1] = "a zz"; }, "token zz"},
        Bad{"MergeUnknownResult", [](json& j) { j["model"]["merges"][1] = "a z"; }, "token az"},
        Bad{"MergeTwice", [](json& j) { j["model"]["merges"].push_back("a b"); }, "twice"}),
    [](const auto& info) { return std::string(info.param.name); });

TEST(TokenizerJson, RefusesEveryTruncation) {
  const std::string text = SmallTokenizer().dump();
  for (size_t bytes = 0; bytes < text.size(); bytes += 13) {
    EXPECT_FALSE(ParseTokenizerJson(std::string_view(text).substr(0, bytes), "x").ok()) << bytes;
  }
}

TEST(TokenizerJson, SurvivesMutation) {
  const std::string good = SmallTokenizer().dump();
  std::mt19937 random(7);
  const auto pick = [&](size_t n) {
    return std::uniform_int_distribution<size_t>(0, n - 1)(random);
  };
  const char* const fragments[] = {"null", "-1", "[]", "{}", "\"", ",", "\\", "(", "99999999999"};
  for (int round = 0; round < 1000; ++round) {
    std::string text = good;
    if (pick(2) == 0) {
      text[pick(text.size())] = static_cast<char>(pick(128));
    } else {
      text.insert(pick(text.size()), fragments[pick(std::size(fragments))]);
    }
    auto tokenizer = Tokenizer::Parse(text, "x");
    if (tokenizer.ok()) {
      EXPECT_TRUE((*tokenizer)->Encode("abc <s> 12 é").ok());
    }
  }
}

}  // namespace
}  // namespace conclave
