#include "common/model/utf8.h"

#include <gtest/gtest.h>

#include <random>

#include "common/model/byte_level.h"

namespace conclave {
namespace {

std::string Lossy(std::string_view bytes) {
  std::string out;
  EXPECT_EQ(AppendLossyUtf8(bytes, true, out), bytes.size());
  return out;
}

TEST(Utf8, ReplacesEachMaximalInvalidSubpart) {
  EXPECT_EQ(Lossy("aé中🙂"), "aé中🙂");
  EXPECT_EQ(Lossy("\x80\x80"), "\uFFFD\uFFFD");
  EXPECT_EQ(Lossy("\xe4\xb8"), "\uFFFD");
  EXPECT_EQ(Lossy("\xe4\xb8z"), "\uFFFDz");
  EXPECT_EQ(Lossy("\xf0\x9f\x99"), "\uFFFD");
  EXPECT_EQ(Lossy("\xf0\x9f\x99\xe4"), "\uFFFD\uFFFD");
  EXPECT_EQ(Lossy("\xe0\x80\x80"), "\uFFFD\uFFFD\uFFFD");            // overlong
  EXPECT_EQ(Lossy("\xed\xa0\x80"), "\uFFFD\uFFFD\uFFFD");            // surrogate
  EXPECT_EQ(Lossy("\xf4\x90\x80\x80"), "\uFFFD\uFFFD\uFFFD\uFFFD");  // above U+10FFFF
  EXPECT_EQ(Lossy("\xc0\xaf\xfe\xff"), "\uFFFD\uFFFD\uFFFD\uFFFD");
  // The Unicode standard's own example (table 3-8).
  EXPECT_EQ(Lossy("\x61\xF1\x80\x80\xE1\x80\xC2\x62\x80\x63\x80\xBF\x64"),
            "a\uFFFD\uFFFD\uFFFDb\uFFFDc\uFFFD\uFFFDd");
}

TEST(Utf8, HoldsBackOnlyWhatMayBecomeACharacter) {
  std::string out;
  EXPECT_EQ(AppendLossyUtf8("a\xf0\x9f\x99", false, out), 1u);
  EXPECT_EQ(out, "a");
  out.clear();
  EXPECT_EQ(AppendLossyUtf8("a\xe0\x80", false, out), 3u);  // never a character
  EXPECT_EQ(out, "a\uFFFD\uFFFD");
}

TEST(Utf8, FindsTheFirstInvalidByte) {
  EXPECT_EQ(FirstInvalidUtf8("aé中🙂\xef\xbf\xbf"), std::nullopt);
  EXPECT_EQ(FirstInvalidUtf8("é\xff"), 2u);
  EXPECT_EQ(FirstInvalidUtf8("é\xf0\x9f"), 2u);
  EXPECT_EQ(FirstInvalidUtf8(""), std::nullopt);
}

TEST(Utf8, PrintableTextIsWellFormedAndShort) {
  EXPECT_EQ(Printable("aé", 3), "aé");
  EXPECT_EQ(Printable("aéé", 3), "aé...");
  EXPECT_EQ(Printable("aéé", 4), "aé...");
  EXPECT_EQ(Printable("a\xff", 9), "a\uFFFD");
  EXPECT_EQ(Printable("a\xc3", 9), "a\uFFFD");
}

TEST(Utf8, CodePointsGoBothWays) {
  const std::u32string points =
      U"\u0001a\u007f\u0080\u07ff\u0800\ud7ff\ue000\uffff\U00010000\U0010ffff";
  std::string text;
  for (char32_t point : points) AppendUtf8(point, text);
  EXPECT_EQ(FirstInvalidUtf8(text), std::nullopt);
  EXPECT_EQ(CodePoints(text), points);
}

// Random bytes: lossy text is well-formed, and any cutting gives the same.
TEST(Utf8, LossyTextDoesNotDependOnTheCuts) {
  std::mt19937 random(1);
  const uint8_t interesting[] = {'a',  0x80, 0xBF, 0xC2, 0xE0, 0xA0, 0xED,
                                 0x9F, 0xF0, 0x90, 0xF4, 0x8F, 0xFF};
  for (int round = 0; round < 2000; ++round) {
    std::string bytes;
    for (int i = 0; i < 12; ++i)
      bytes += static_cast<char>(interesting[random() % std::size(interesting)]);
    const std::string whole = Lossy(bytes);
    EXPECT_EQ(FirstInvalidUtf8(whole), std::nullopt);
    std::string pieces, held;
    for (char byte : bytes) {
      held += byte;
      held.erase(0, AppendLossyUtf8(held, false, pieces));
      ASSERT_LE(held.size(), 3u);
    }
    AppendLossyUtf8(held, true, pieces);
    ASSERT_EQ(pieces, whole);
  }
}

TEST(ByteLevel, AlphabetIsPrintableAndReversible) {
  std::string all;
  for (int byte = 0; byte < 256; ++byte) {
    std::string text;
    AppendUtf8(ByteLevelAlphabet()[byte], text);
    EXPECT_EQ(BytesOfByteLevel(text), std::string(1, static_cast<char>(byte)));
    all += text;
  }
  EXPECT_EQ(BytesOfByteLevel(all)->size(), 256u);
  EXPECT_EQ(BytesOfByteLevel("Ġa"), " a");
  EXPECT_EQ(BytesOfByteLevel("Ċ"), "\n");
  EXPECT_EQ(BytesOfByteLevel("a b"), std::nullopt);  // a space is not in the alphabet
  EXPECT_EQ(BytesOfByteLevel("<｜"), std::nullopt);
  EXPECT_EQ(BytesOfByteLevel(""), "");
}

}  // namespace
}  // namespace conclave
