#include "common/base/log.h"

#include <gtest/gtest.h>

namespace conclave {
namespace {

TEST(JsonQuoteTest, EscapesWhatJsonRequires) {
  EXPECT_EQ(JsonQuote("a\"b\\c\nd\x01"), R"("a\"b\\c\nd\u0001")");
  EXPECT_EQ(JsonQuote("günstig 数"), "\"günstig 数\"");
}

TEST(JsonQuoteTest, ReplacesInvalidUtf8) {
  EXPECT_EQ(JsonQuote("a\xFFz"), "\"a\xEF\xBF\xBDz\"");
  EXPECT_EQ(JsonQuote("\xC3"), "\"\xEF\xBF\xBD\"");                      // cut off
  EXPECT_EQ(JsonQuote("\xED\xA0\x80").find('\xED'), std::string::npos);  // a surrogate
  EXPECT_EQ(JsonQuote("\xC0\x80").find('\xC0'), std::string::npos);      // overlong
}

TEST(LogFieldTest, RendersJsonValues) {
  EXPECT_EQ(LogField("n", 42).json(), "42");
  EXPECT_EQ(LogField("x", 0.5).json(), "0.5");
  EXPECT_EQ(LogField("b", true).json(), "true");
  EXPECT_EQ(LogField("s", "text").json(), "\"text\"");
}

TEST(LogTest, WritesOneJsonObjectALine) {
  testing::internal::CaptureStderr();
  LogWarning("disk \"full\"", {{"free_bytes", 0}});
  const std::string line = testing::internal::GetCapturedStderr();
  EXPECT_EQ(line.back(), '\n');
  EXPECT_NE(line.find(R"("level":"warning")"), std::string::npos);
  EXPECT_NE(line.find(R"("event":"disk \"full\"","free_bytes":0})"), std::string::npos);
}

TEST(LogTest, ThresholdSilencesLowerLevels) {
  SetLogLevel(LogLevel::kError);
  testing::internal::CaptureStderr();
  LogWarning("quiet");
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
  SetLogLevel(LogLevel::kInfo);
}

TEST(LogTest, ParsesLevels) {
  LogLevel level = LogLevel::kInfo;
  EXPECT_TRUE(ParseLogLevel("debug", &level));
  EXPECT_EQ(level, LogLevel::kDebug);
  EXPECT_FALSE(ParseLogLevel("loud", &level));
}

}  // namespace
}  // namespace conclave
