// The three filters of a generated stream: characters, stop strings, reasoning. Each is fed in
// every way of cutting a text, and must give the same in total.
#include <gtest/gtest.h>

#include <functional>

#include "common/model/reasoning_splitter.h"
#include "common/model/stop_scanner.h"
#include "common/model/stream_decoder.h"
#include "tests/unit/common/model/small_tokenizer.h"

namespace conclave {
namespace {

// Calls `visit` with every way of cutting `text` into pieces, or with pieces of fixed lengths when
// there are too many.
void ForEachCutting(std::string_view text,
                    const std::function<void(const std::vector<std::string_view>&)>& visit) {
  std::vector<std::string_view> pieces;
  if (text.size() <= 13) {
    const size_t gaps = text.empty() ? 0 : text.size() - 1;
    for (uint32_t cuts = 0; cuts < (1u << gaps); ++cuts) {
      pieces.clear();
      size_t begin = 0;
      for (size_t i = 0; i < gaps; ++i) {
        if ((cuts >> i & 1) == 0) continue;
        pieces.push_back(text.substr(begin, i + 1 - begin));
        begin = i + 1;
      }
      pieces.push_back(text.substr(begin));
      visit(pieces);
    }
    return;
  }
  for (size_t length = 1; length <= text.size(); ++length) {
    pieces.clear();
    for (size_t at = 0; at < text.size(); at += length) pieces.push_back(text.substr(at, length));
    visit(pieces);
  }
}

TEST(StreamDecoder, EqualsWholeDecoding) {
  auto tokenizer = Tokenizer::Parse(testing_files::SmallTokenizer().dump(), "small");
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  const std::vector<TokenId> ids = {260, 'a',  0xF0, 0x9F, 0x99, 0x82, 0xE4,
                                    259, 0xE4, 0xB8, 260,  0xAD, 0xE4};
  for (bool skip : {false, true}) {
    StreamDecoder decoder(**tokenizer, skip);
    std::string text;
    for (TokenId id : ids) text += decoder.Push(id);
    text += decoder.Finish();
    EXPECT_EQ(text, *(*tokenizer)->Decode(ids, skip));
    EXPECT_EQ(decoder.Finish(), "");
  }
  // A character comes out with its last byte, and not before.
  StreamDecoder decoder(**tokenizer, true);
  EXPECT_EQ(decoder.Push(0xC3), "");
  EXPECT_EQ(decoder.Push(260), "");  // special: skipped, does not break the character
  EXPECT_EQ(decoder.Push(0xA9), "é");
  EXPECT_EQ(decoder.Push(12345), "");
}

struct Stop {
  std::string text;
  std::vector<std::string> stops;
  std::string out;
  bool stopped;
};

TEST(StopScanner, FindsStopsInEveryCutting) {
  const Stop cases[] = {
      {"hello", {}, "hello", false},
      {"hello", {"xyz"}, "hello", false},
      {"hello", {"ll"}, "he", true},
      {"hello", {"h"}, "", true},
      {"hello", {"o", "lo"}, "hel", true},
      {"aabaab", {"aab"}, "", true},
      {"aaab", {"aab"}, "a", true},
      {"ababac", {"abac"}, "ab", true},
      {"abcd", {"abcd", "c"}, "ab", true},  // "c" is complete first
      {"abab", {"abx"}, "abab", false},
      {"one\n\ntwo", {"\n\n"}, "one", true},
      {"é中🙂", {"🙂"}, "é中", true},
      {"The answer is 42. END and more text", {"END", "STOP"}, "The answer is 42. ", true},
  };
  for (const Stop& c : cases) {
    ForEachCutting(c.text, [&](const std::vector<std::string_view>& pieces) {
      StopScanner scanner(c.stops);
      std::string out;
      for (std::string_view piece : pieces) out += scanner.Push(piece);
      out += scanner.Finish();
      ASSERT_EQ(out, c.out) << c.text;
      ASSERT_EQ(scanner.stopped(), c.stopped) << c.text;
      ASSERT_EQ(scanner.Push("more"), c.stopped ? "" : "more");
    });
  }
}

TEST(StopScanner, HoldsBackNoMoreThanNeeded) {
  StopScanner scanner({"<end>"});
  EXPECT_EQ(scanner.Push("a<e"), "a");
  EXPECT_EQ(scanner.Push("x"), "<ex");
  EXPECT_EQ(scanner.Push("<<end"), "<");
  EXPECT_EQ(scanner.Push(">tail"), "");
  EXPECT_TRUE(scanner.stopped());
}

struct Thought {
  std::string text;
  bool starts_inside;
  std::string reasoning;
  std::string content;
};

TEST(ReasoningSplitter, SplitsInEveryCutting) {
  const Thought cases[] = {
      {"plain", false, "", "plain"},
      {"", false, "", ""},
      {"<think>\nhmm\n</think>\n\nSeven.", false, "hmm", "Seven."},
      {"<think>\n\n</think>\n\nHi!", false, "", "Hi!"},
      {"\n <think>a</think>b", false, "a", "b"},
      {"hmm\n</think>\n\nSeven.", true, "hmm", "Seven."},
      {"\nhmm</think>x", true, "hmm", "x"},
      {"x<think>a</th", false, "", "x<think>a</th"},
      {"<think>a\n\nb\n", false, "a\n\nb\n", ""},  // never closed
      {"<think>a</thin", false, "a</thin", ""},
      {"<think>a</thinkb</think>c", false, "a</thinkb", "c"},
      {"<think>a</think>b</think>c", false, "a", "b</think>c"},
      {"<think>a</think>\nb\n<think>", false, "a", "b\n<think>"},
      {"<thin", false, "", "<thin"},
      {"  ", false, "", "  "},
      {" x", false, "", " x"},
      {"a<b", true, "a<b", ""},
  };
  for (const Thought& c : cases) {
    ForEachCutting(c.text, [&](const std::vector<std::string_view>& pieces) {
      ReasoningSplitter splitter(c.starts_inside);
      std::string reasoning, content;
      const auto take = [&](const ReasoningSplitter::Piece& piece) {
        reasoning += piece.reasoning;
        content += piece.content;
      };
      for (std::string_view piece : pieces) take(splitter.Push(piece));
      take(splitter.Finish());
      ASSERT_EQ(reasoning, c.reasoning) << c.text;
      ASSERT_EQ(content, c.content) << c.text;
    });
  }
}

TEST(ReasoningSplitter, LetsDecidedTextThroughAtOnce) {
  ReasoningSplitter splitter(false);
  EXPECT_EQ(splitter.Push("<think>one ").reasoning, "one ");
  EXPECT_EQ(splitter.Push("two</").reasoning, "two");
  EXPECT_EQ(splitter.Push("b> three").reasoning, "</b> three");
  ReasoningSplitter::Piece piece = splitter.Push("</think>four");
  EXPECT_EQ(piece.reasoning, "");
  EXPECT_EQ(piece.content, "four");
}

}  // namespace
}  // namespace conclave
