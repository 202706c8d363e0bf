// Time. Deadlines are points on the steady clock inside a process and travel between processes as
// remaining milliseconds (gRPC's own deadline carries them).
#pragma once

#include <chrono>
#include <cstdint>

namespace conclave {

using SteadyTime = std::chrono::steady_clock::time_point;
using Duration = std::chrono::steady_clock::duration;

inline SteadyTime Now() { return std::chrono::steady_clock::now(); }
inline SteadyTime After(std::chrono::milliseconds d) { return Now() + d; }

// Milliseconds from now to `deadline`, 0 when it has passed.
inline int64_t RemainingMs(SteadyTime deadline) {
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Now()).count();
  return left > 0 ? left : 0;
}

inline double SecondsSince(SteadyTime start) {
  return std::chrono::duration<double>(Now() - start).count();
}

// Wall clock, microseconds since 1970; for logs and OpenAI's `created` field only.
inline int64_t WallMicros() {
  return std::chrono::duration_cast<std::chrono::microseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

}  // namespace conclave
