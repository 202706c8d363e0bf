#include "common/model/stop_scanner.h"

#include <algorithm>

namespace conclave {

std::string StopScanner::Push(std::string_view text) {
  if (stopped_) return "";
  held_ += text;
  size_t best_begin = std::string::npos, best_end = std::string::npos;
  for (const std::string& stop : stops_) {
    size_t begin = held_.find(stop);
    if (begin == std::string::npos) continue;
    size_t end = begin + stop.size();
    if (end < best_end || (end == best_end && begin < best_begin)) {
      best_begin = begin;
      best_end = end;
    }
  }
  if (best_begin != std::string::npos) {
    stopped_ = true;
    std::string out = held_.substr(0, best_begin);
    held_.clear();
    return out;
  }
  size_t safe = held_.size() - HeldBackBytes();
  std::string out = held_.substr(0, safe);
  held_.erase(0, safe);
  return out;
}

std::string StopScanner::Finish() {
  std::string out = stopped_ ? "" : std::move(held_);
  held_.clear();
  return out;
}

// The longest end of the text that is a proper beginning of a stop string.
size_t StopScanner::HeldBackBytes() const {
  size_t longest = 0;
  for (const std::string& stop : stops_) {
    if (stop.empty()) continue;
    for (size_t n = std::min(stop.size() - 1, held_.size()); n > longest; --n) {
      if (held_.compare(held_.size() - n, n, stop, 0, n) == 0) {
        longest = n;
        break;
      }
    }
  }
  return longest;
}

}  // namespace conclave
