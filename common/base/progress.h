// Progress of a long operation, counted in bytes, for a person who waits at a terminal.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "common/base/clock.h"

namespace conclave {

struct Progress {
  int64_t done_bytes = 0;
  int64_t total_bytes = 0;  // may still grow
};
using ProgressCallback = std::function<void(const Progress&)>;

enum class ProgressStyle {
  kNone,
  kLines,  // a line for each tenth
  kBar     // one line, drawn again and again
};

// A bar when the descriptor is a terminal; otherwise lines, but nothing where JSON logs go.
ProgressStyle ChooseProgressStyle(int descriptor, bool json_logs);

// "12.3 GiB", "340 MiB".
std::string ShowBytes(int64_t bytes);

// Draws Progress. What ends within the first moments shows nothing at all. Not thread-safe.
class ProgressMeter {
 public:
  using Write = std::function<void(std::string_view)>;
  // `what`: "loading". `write` takes the text; it is never called for kNone.
  ProgressMeter(std::string what, ProgressStyle style, Write write, SteadyTime start = Now());

  // At most ten times a second something is drawn.
  void Update(const Progress& progress, SteadyTime now = Now());
  // The closing line: how much, how long, how fast. Later calls do nothing.
  void Finish(SteadyTime now = Now());

 private:
  std::string Bar(double seconds) const;
  std::string Line(double seconds) const;

  const std::string what_;
  const ProgressStyle style_;
  const Write write_;
  const SteadyTime start_;
  SteadyTime drawn_;
  Progress progress_;
  int tenths_ = 0;  // printed so far
  bool shown_ = false;
  bool finished_ = false;
};

// A meter on stderr, as a callback. It closes when everything is done, or with its last copy. Empty
// where nothing would be drawn.
ProgressCallback StderrProgress(std::string what, bool json_logs);

// Keeps the newest progress in a file, for a parent process. Empty when the file cannot be made.
ProgressCallback FileProgress(const std::string& path);
// What FileProgress wrote last; nothing before, or when there is no such file.
std::optional<Progress> ReadProgressFile(const std::string& path);

// Calls all of those that are not empty; empty when all are.
ProgressCallback Both(ProgressCallback a, ProgressCallback b);

}  // namespace conclave
