// Whether a request gets its KV pages now, waits in the bounded queue, or is refused at once. Pure.
#pragma once

#include <cstdint>
#include <string>

namespace conclave {

struct AdmissionLimits {
  int max_running = 64;  // sequences at once
  int max_queue = 256;   // requests waiting
  int64_t min_retry_ms = 100;
  int64_t max_retry_ms = 30'000;
};

struct AdmissionState {
  int free_pages = 0;
  int total_pages = 0;
  int running = 0;
  int ahead = 0;        // requests waiting before this one; 0 for the head of the queue
  int ahead_pages = 0;  // which they need together
  // Recent rates at which running sequences end and give pages back; 0 = not known yet.
  double finished_per_second = 0;
  double pages_per_second = 0;
};

struct AdmissionRequest {
  int needed_pages = 0;      // for the whole life of the sequence
  int64_t remaining_ms = 0;  // until its deadline
};

enum class AdmissionVerdict {
  kAdmit,
  kWait,      // in the queue; ask again when pages come back
  kOverload,  // ResourceExhausted, worth a retry after retry_after_ms
  kTooLarge,  // InvalidArgument: would not fit into an empty worker either
};

struct AdmissionDecision {
  AdmissionVerdict verdict = AdmissionVerdict::kAdmit;
  int64_t expected_wait_ms = 0;  // estimate; 0 for kAdmit and where no rate is known
  int64_t retry_after_ms = 0;    // kOverload: within [min_retry_ms, max_retry_ms]
  std::string reason;            // of kOverload and kTooLarge, with the numbers
};

// First come, first served: nobody is admitted while others are ahead. A request whose expected
// wait is longer than its remaining time is refused at once instead of waiting in vain.
AdmissionDecision DecideAdmission(const AdmissionRequest& request, const AdmissionState& state,
                                  const AdmissionLimits& limits);

}  // namespace conclave
