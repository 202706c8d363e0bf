// Finds stop strings in a stream of text, also across chunk borders; holds back text that may be
// the beginning of one. The stop string whose last character comes first wins (of two that end
// together the longer one), so the outcome does not depend on how the text was cut into pieces.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace conclave {

// Not thread-safe; one per stream. Empty stop strings are the caller's error.
class StopScanner {
 public:
  explicit StopScanner(std::vector<std::string> stops) : stops_(std::move(stops)) {}
  // Text safe to emit. After a stop string was found, stopped() is true and nothing more comes out;
  // the stop string itself is never emitted.
  std::string Push(std::string_view text);
  std::string Finish();
  bool stopped() const { return stopped_; }

 private:
  size_t HeldBackBytes() const;
  std::vector<std::string> stops_;
  std::string held_;
  bool stopped_ = false;
};

}  // namespace conclave
