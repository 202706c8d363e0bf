#include "common/base/progress.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <memory>

namespace conclave {
namespace {

constexpr double kSilentSeconds = 0.5;
constexpr auto kRedraw = std::chrono::milliseconds(100);
constexpr int kBarWidth = 30;

double Seconds(Duration d) { return std::chrono::duration<double>(d).count(); }

double Fraction(const Progress& p) {
  if (p.total_bytes <= 0) return 0;
  return std::clamp(static_cast<double>(p.done_bytes) / static_cast<double>(p.total_bytes), 0., 1.);
}

// Bytes per second, 0 before anything can be said.
double Rate(const Progress& p, double seconds) {
  return seconds > 0 ? static_cast<double>(p.done_bytes) / seconds : 0;
}

std::string ShowDuration(double seconds) {
  const int64_t s = static_cast<int64_t>(seconds + 0.5);
  if (s < 60) return fmt::format("{} s", s);
  if (s < 3600) return fmt::format("{}:{:02} min", s / 60, s % 60);
  return fmt::format("{}:{:02} h", s / 3600, s % 3600 / 60);
}

std::string Left(const Progress& p, double seconds) {
  const double rate = Rate(p, seconds);
  if (rate <= 0) return "";
  const double left = static_cast<double>(std::max<int64_t>(p.total_bytes - p.done_bytes, 0));
  return fmt::format(", {} left", ShowDuration(left / rate));
}

}  // namespace

ProgressStyle ChooseProgressStyle(int descriptor, bool json_logs) {
  if (::isatty(descriptor) == 1) return ProgressStyle::kBar;
  return json_logs ? ProgressStyle::kNone : ProgressStyle::kLines;
}

std::string ShowBytes(int64_t bytes) {
  constexpr double kMi = 1 << 20;
  if (bytes < int64_t{10} << 20) return fmt::format("{:.1f} MiB", bytes / kMi);
  if (bytes < int64_t{1} << 30) return fmt::format("{:.0f} MiB", bytes / kMi);
  return fmt::format("{:.1f} GiB", bytes / kMi / 1024);
}

ProgressMeter::ProgressMeter(std::string what, ProgressStyle style, Write write, SteadyTime start)
    : what_(std::move(what)),
      style_(style),
      write_(std::move(write)),
      start_(start),
      drawn_(start - kRedraw) {}

std::string ProgressMeter::Bar(double seconds) const {
  const double fraction = Fraction(progress_);
  const int full = static_cast<int>(fraction * kBarWidth);
  // Ends at the line's beginning, where the next line of a log goes over it.
  return fmt::format("\r{} [{}{}] {:3.0f} %  {} of {}, {}/s{}\x1b[K\r", what_,
                     std::string(full, '#'), std::string(kBarWidth - full, '-'), 100 * fraction,
                     ShowBytes(progress_.done_bytes), ShowBytes(progress_.total_bytes),
                     ShowBytes(static_cast<int64_t>(Rate(progress_, seconds))),
                     Left(progress_, seconds));
}

std::string ProgressMeter::Line(double seconds) const {
  return fmt::format("{} {} %: {} of {}, {}/s{}\n", what_, 10 * tenths_,
                     ShowBytes(progress_.done_bytes), ShowBytes(progress_.total_bytes),
                     ShowBytes(static_cast<int64_t>(Rate(progress_, seconds))),
                     Left(progress_, seconds));
}

void ProgressMeter::Update(const Progress& progress, SteadyTime now) {
  if (style_ == ProgressStyle::kNone || finished_) return;
  progress_ = progress;
  const double seconds = Seconds(now - start_);
  if (seconds < kSilentSeconds) return;
  if (style_ == ProgressStyle::kBar) {
    if (now - drawn_ < kRedraw) return;
    drawn_ = now;
    shown_ = true;
    write_(Bar(seconds));
    return;
  }
  const int tenths = static_cast<int>(Fraction(progress_) * 10);
  if (tenths <= tenths_) return;
  tenths_ = tenths;
  if (tenths == 10) return;  // the closing line says it
  shown_ = true;
  write_(Line(seconds));
}

void ProgressMeter::Finish(SteadyTime now) {
  if (style_ == ProgressStyle::kNone || finished_) return;
  finished_ = true;
  const double seconds = Seconds(now - start_);
  if (!shown_) return;
  const std::string begin = style_ == ProgressStyle::kBar ? "\r\x1b[K" : "";
  write_(fmt::format("{}{} {}: {} in {}, {}/s\n", begin, what_,
                     progress_.done_bytes >= progress_.total_bytes ? "done" : "ended",
                     ShowBytes(progress_.done_bytes), ShowDuration(seconds),
                     ShowBytes(static_cast<int64_t>(Rate(progress_, seconds)))));
}

ProgressCallback StderrProgress(std::string what, bool json_logs) {
  const ProgressStyle style = ChooseProgressStyle(STDERR_FILENO, json_logs);
  if (style == ProgressStyle::kNone) return {};
  // Shared by the callback's copies: std::function is copyable.
  const std::shared_ptr<ProgressMeter> meter(
      new ProgressMeter(std::move(what), style,
                        [](std::string_view text) {
                          [[maybe_unused]] const ssize_t written =
                              ::write(STDERR_FILENO, text.data(), text.size());
                        }),
      [](ProgressMeter* m) {
        m->Finish();
        delete m;
      });
  return [meter](const Progress& progress) {
    meter->Update(progress);
    if (progress.total_bytes > 0 && progress.done_bytes >= progress.total_bytes) meter->Finish();
  };
}

ProgressCallback FileProgress(const std::string& path) {
  const int descriptor = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (descriptor < 0) return {};
  const std::shared_ptr<const int> file(new int(descriptor), [](const int* fd) {
    ::close(*fd);
    delete fd;
  });
  return [file, written = SteadyTime()](const Progress& progress) mutable {
    const bool done = progress.done_bytes >= progress.total_bytes;
    if (!done && Now() - written < kRedraw) return;
    written = Now();
    // Always of one length and in one write, so that a reader sees one or the other.
    const std::string text =
        fmt::format("{:020} {:020}\n", progress.done_bytes, progress.total_bytes);
    [[maybe_unused]] const ssize_t bytes = ::pwrite(*file, text.data(), text.size(), 0);
  };
}

std::optional<Progress> ReadProgressFile(const std::string& path) {
  std::ifstream file(path);
  Progress progress;
  if (!(file >> progress.done_bytes >> progress.total_bytes)) return std::nullopt;
  return progress;
}

ProgressCallback Both(ProgressCallback a, ProgressCallback b) {
  if (!a) return b;
  if (!b) return a;
  return [a = std::move(a), b = std::move(b)](const Progress& progress) {
    a(progress);
    b(progress);
  };
}

}  // namespace conclave
