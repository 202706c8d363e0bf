#include "common/scheduling/continuous_batch.h"

#include <algorithm>

namespace conclave {

StepPlan PlanStep(const std::vector<uint64_t>& running, const std::vector<ChunkedWork>& waiting,
                  const BatchLimits& limits) {
  StepPlan plan;
  int sequences = 0;
  for (uint64_t id : running) {
    if (plan.rows >= limits.max_rows || sequences >= limits.max_sequences) return plan;
    plan.decode.push_back(id);
    ++plan.rows;
    ++sequences;
  }
  for (const ChunkedWork& work : waiting) {
    if (sequences >= limits.max_sequences) break;
    const int tokens =
        std::min({work.remaining_tokens, limits.max_chunk_tokens, limits.max_rows - plan.rows});
    if (tokens < 1) {
      if (work.remaining_tokens < 1) continue;
      break;
    }
    plan.chunks.push_back({work.id, tokens});
    plan.rows += tokens;
    ++sequences;
  }
  return plan;
}

}  // namespace conclave
