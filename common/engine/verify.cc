#include "common/engine/verify.h"

#include <algorithm>
#include <cstring>

#include "common/engine/verify_run.h"

namespace conclave {
namespace {

// Law 1 on a real checkpoint: the cut of the prompt must not show.
VerifyLine CompareChunks(const VerifyRun& run) {
  VerifyLine line{.kind = "chunked prompt", .rule = "logits with other bits: 0"};
  line.compared = static_cast<int64_t>(run.one_pass.logits.size());
  int64_t different = 0;
  for (size_t i = 0; i < run.one_pass.logits.size(); ++i) {
    if (std::memcmp(&run.one_pass.logits[i], &run.in_chunks.logits[i], sizeof(float)) == 0)
      continue;
    if (different++ == 0) line.worst = fmt::format("row {}", i / run.model->config().vocab_size);
  }
  line.deviation = static_cast<double>(different);
  line.used = different == 0 ? 0 : 1 + line.deviation;
  return line;
}

}  // namespace

bool VerifyReport::ok() const {
  return std::all_of(lines.begin(), lines.end(), [](const VerifyLine& line) { return line.ok(); });
}

absl::StatusOr<VerifyReport> Verify(const VerifyRequest& request) {
  if (request.threads < 1 || request.chunk_tokens < 1) {
    return InvalidArgument(
        "verify with {} threads and chunks of {} tokens, both must be at least 1", request.threads,
        request.chunk_tokens);
  }
  ASSIGN_OR_RETURN(const Golden golden, Golden::Open(request.dir));
  ASSIGN_OR_RETURN(const VerifyRun run, RunForVerify(request, golden));
  VerifyReport report{.dir = request.dir,
                      .mode = request.mode,
                      .kv_format = request.kv_format,
                      .prompt_tokens = static_cast<int>(run.prompt.size())};
  if (request.kv_format != KvFormat::kMode) {
    RETURN_IF_ERROR(MeasureKvFormat(request, run, golden, &report));
  } else if (request.mode == ComputeMode::kF32) {
    RETURN_IF_ERROR(CompareF32(run, golden, &report));
  } else if (request.mode != ComputeMode::kBF16) {
    RETURN_IF_ERROR(MeasureMode(request, run, golden, &report));
  } else {
    RETURN_IF_ERROR(CompareBf16(run, golden, &report));
  }
  report.lines.push_back(CompareChunks(run));
  return report;
}

}  // namespace conclave
