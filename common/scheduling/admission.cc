#include "common/scheduling/admission.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

namespace conclave {
namespace {

// How long until the pages and the sequence slot are there, if work goes on ending as it did
// lately.
int64_t ExpectedWaitMs(const AdmissionRequest& request, const AdmissionState& state,
                       const AdmissionLimits& limits) {
  double seconds = 0;
  const double pages_short =
      static_cast<double>(state.ahead_pages) + request.needed_pages - std::max(0, state.free_pages);
  if (pages_short > 0 && state.pages_per_second > 0) {
    seconds = std::max(seconds, pages_short / state.pages_per_second);
  }
  const double slots_short =
      static_cast<double>(state.ahead) + 1 + state.running - limits.max_running;
  if (slots_short > 0 && state.finished_per_second > 0) {
    seconds = std::max(seconds, slots_short / state.finished_per_second);
  }
  constexpr double kLongest = 3600;
  return static_cast<int64_t>(std::ceil(std::min(seconds, kLongest) * 1000));
}

AdmissionDecision Overload(int64_t wait_ms, const AdmissionLimits& limits, std::string reason) {
  AdmissionDecision decision;
  decision.verdict = AdmissionVerdict::kOverload;
  decision.expected_wait_ms = wait_ms;
  decision.retry_after_ms = std::clamp(wait_ms, limits.min_retry_ms, limits.max_retry_ms);
  decision.reason = std::move(reason);
  return decision;
}

}  // namespace

AdmissionDecision DecideAdmission(const AdmissionRequest& request, const AdmissionState& state,
                                  const AdmissionLimits& limits) {
  AdmissionDecision decision;
  if (request.needed_pages > state.total_pages) {
    decision.verdict = AdmissionVerdict::kTooLarge;
    decision.reason = fmt::format(
        "the request needs {} KV pages, the worker has {} in all: shorten the prompt or max_tokens",
        request.needed_pages, state.total_pages);
    return decision;
  }
  if (state.ahead == 0 && request.needed_pages <= state.free_pages &&
      state.running < limits.max_running) {
    return decision;
  }
  const int64_t wait_ms = ExpectedWaitMs(request, state, limits);
  if (state.ahead >= limits.max_queue) {
    return Overload(
        wait_ms, limits,
        fmt::format("the queue is full: {} requests wait, at most {} may ({} of {} KV pages "
                    "free, {} sequences running)",
                    state.ahead, limits.max_queue, state.free_pages, state.total_pages,
                    state.running));
  }
  if (wait_ms > request.remaining_ms) {
    return Overload(
        wait_ms, limits,
        fmt::format("the expected wait of {} ms is longer than the {} ms left until the "
                    "deadline ({} requests ahead, {} of {} KV pages free)",
                    wait_ms, request.remaining_ms, state.ahead, state.free_pages,
                    state.total_pages));
  }
  decision.verdict = AdmissionVerdict::kWait;
  decision.expected_wait_ms = wait_ms;
  return decision;
}

}  // namespace conclave
