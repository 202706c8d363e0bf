#include "common/base/progress.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <vector>

namespace conclave {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr int64_t kGi = int64_t{1} << 30;

struct Recorder {
  std::vector<std::string> texts;
  SteadyTime start = Now();
  ProgressMeter Meter(ProgressStyle style) {
    return {"loading", style, [this](std::string_view text) { texts.emplace_back(text); }, start};
  }
};

TEST(ProgressMeter, DrawsABarWithBytesShareRateAndTimeLeft) {
  Recorder r;
  ProgressMeter meter = r.Meter(ProgressStyle::kBar);
  meter.Update({kGi, 8 * kGi}, r.start + milliseconds(400));  // too early to be of interest
  EXPECT_THAT(r.texts, IsEmpty());
  meter.Update({2 * kGi, 8 * kGi}, r.start + milliseconds(1000));
  meter.Update({3 * kGi, 8 * kGi}, r.start + milliseconds(1050));  // drawn just now
  meter.Update({4 * kGi, 8 * kGi}, r.start + milliseconds(2000));
  ASSERT_EQ(r.texts.size(), 2u);
  EXPECT_EQ(r.texts[0],
            "\rloading [#######-----------------------]  25 %  2.0 GiB of 8.0 GiB, 2.0 GiB/s, 3 s "
            "left\x1b[K\r");
  EXPECT_EQ(r.texts[1],
            "\rloading [###############---------------]  50 %  4.0 GiB of 8.0 GiB, 2.0 GiB/s, 2 s "
            "left\x1b[K\r");
  meter.Update({8 * kGi, 8 * kGi}, r.start + milliseconds(4000));
  meter.Finish(r.start + milliseconds(4000));
  meter.Finish(r.start + milliseconds(5000));
  meter.Update({8 * kGi, 8 * kGi}, r.start + milliseconds(6000));
  ASSERT_EQ(r.texts.size(), 4u);
  EXPECT_EQ(r.texts[3], "\r\x1b[Kloading done: 8.0 GiB in 4 s, 2.0 GiB/s\n");
}

TEST(ProgressMeter, PrintsALineForEachTenth) {
  Recorder r;
  ProgressMeter meter = r.Meter(ProgressStyle::kLines);
  const int64_t total = 1000 << 20;
  for (int percent = 0; percent <= 100; ++percent)
    meter.Update({total * percent / 100, total}, r.start + milliseconds(1000 * percent));
  meter.Finish(r.start + milliseconds(100000));
  ASSERT_EQ(r.texts.size(), 10u);
  EXPECT_EQ(r.texts[0], "loading 10 %: 100 MiB of 1000 MiB, 10 MiB/s, 1:30 min left\n");
  EXPECT_EQ(r.texts[8], "loading 90 %: 900 MiB of 1000 MiB, 10 MiB/s, 10 s left\n");
  EXPECT_EQ(r.texts[9], "loading done: 1000 MiB in 1:40 min, 10 MiB/s\n");
}

TEST(ProgressMeter, SaysWhenItEndedEarly) {
  Recorder r;
  ProgressMeter meter = r.Meter(ProgressStyle::kLines);
  meter.Update({kGi, 4 * kGi}, r.start + milliseconds(2000));
  meter.Finish(r.start + milliseconds(3000));
  EXPECT_THAT(r.texts.back(), HasSubstr("ended: 1.0 GiB"));
}

TEST(ProgressMeter, IsSilentForWhatIsOverAtOnceAndWhenNobodyLooks) {
  for (const ProgressStyle style : {ProgressStyle::kBar, ProgressStyle::kLines}) {
    Recorder r;
    ProgressMeter meter = r.Meter(style);
    meter.Update({1, 2}, r.start + milliseconds(100));
    meter.Update({2, 2}, r.start + milliseconds(200));
    meter.Finish(r.start + milliseconds(210));
    EXPECT_THAT(r.texts, IsEmpty());
  }
  Recorder r;
  ProgressMeter meter = r.Meter(ProgressStyle::kNone);
  meter.Update({1, 2}, r.start + milliseconds(5000));
  meter.Finish(r.start + milliseconds(6000));
  EXPECT_THAT(r.texts, IsEmpty());
}

TEST(ProgressMeter, TakesATotalThatGrowsOrIsUnknown) {
  Recorder r;
  ProgressMeter meter = r.Meter(ProgressStyle::kBar);
  meter.Update({0, 0}, r.start + milliseconds(1000));
  meter.Update({6 * kGi, 4 * kGi}, r.start + milliseconds(2000));
  EXPECT_THAT(r.texts, ElementsAre(HasSubstr("  0 %"), HasSubstr("100 %")));
}

TEST(FileProgress, IsReadByAnotherProcess) {
  std::string path = testing::TempDir() + "progress-XXXXXX";
  const int made = mkstemp(path.data());
  ASSERT_GE(made, 0);
  close(made);
  EXPECT_FALSE(ReadProgressFile(path).has_value());
  EXPECT_FALSE(ReadProgressFile(path + ".none").has_value());
  const ProgressCallback report = FileProgress(path);
  ASSERT_TRUE(report);
  report({1, 400 * kGi});
  EXPECT_EQ(ReadProgressFile(path)->done_bytes, 1);
  EXPECT_EQ(ReadProgressFile(path)->total_bytes, 400 * kGi);
  report({2, 400 * kGi});  // too soon to be worth a write
  EXPECT_EQ(ReadProgressFile(path)->done_bytes, 1);
  report({400 * kGi, 400 * kGi});  // the end always is
  EXPECT_EQ(ReadProgressFile(path)->done_bytes, 400 * kGi);
  EXPECT_FALSE(FileProgress("/nonexistent/file"));
  unlink(path.c_str());
}

TEST(Both, CallsWhatIsThere) {
  int a = 0, b = 0;
  const ProgressCallback count_a = [&](const Progress&) { ++a; };
  const ProgressCallback count_b = [&](const Progress&) { ++b; };
  Both(count_a, count_b)({});
  Both({}, count_b)({});
  Both(count_a, {})({});
  EXPECT_EQ(a, 2);
  EXPECT_EQ(b, 2);
  EXPECT_FALSE(Both({}, {}));
}

TEST(ProgressStyle, IsABarOnATerminalOnly) {
  int pipe_ends[2];
  ASSERT_EQ(pipe(pipe_ends), 0);
  EXPECT_EQ(ChooseProgressStyle(pipe_ends[1], false), ProgressStyle::kLines);
  EXPECT_EQ(ChooseProgressStyle(pipe_ends[1], true), ProgressStyle::kNone);
  close(pipe_ends[0]);
  close(pipe_ends[1]);
  const int terminal = posix_openpt(O_RDWR | O_NOCTTY);
  if (terminal < 0) GTEST_SKIP() << "no pseudo-terminal here";
  EXPECT_EQ(ChooseProgressStyle(terminal, true), ProgressStyle::kBar);
  close(terminal);
}

}  // namespace
}  // namespace conclave
