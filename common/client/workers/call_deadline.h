// Deadlines between our steady clock and gRPC's contexts.
#pragma once

#include <chrono>

#include "common/base/clock.h"

namespace conclave {

template <typename ClientContext>
void SetCallDeadline(ClientContext& context, SteadyTime deadline) {
  if (deadline == SteadyTime::max()) return;
  context.set_deadline(
      std::chrono::system_clock::now() +
      std::chrono::duration_cast<std::chrono::system_clock::duration>(deadline - Now()));
}

// The caller's deadline, at most `longest` from now; that when it came without one.
template <typename ServerContext>
SteadyTime CallDeadline(const ServerContext& context, std::chrono::milliseconds longest) {
  const auto left = context.deadline() - std::chrono::system_clock::now();
  const SteadyTime latest = Now() + longest;
  if (left > longest) return latest;
  return Now() + std::chrono::duration_cast<Duration>(left);
}

}  // namespace conclave
