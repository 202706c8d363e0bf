#include "services/cli/commands/bench_engine.h"

#include <nlohmann/json.hpp>
#include <ostream>

#include "common/engine/engine_bench.h"

namespace conclave {

int RunBenchEngine(const BenchEngineOptions& options, std::ostream& out, std::ostream& err) {
  EngineBenchRequest request{.dir = options.dir,
                             .threads = options.threads,
                             .context_tokens = options.context_tokens,
                             .seconds = options.seconds};
  if (!ParseComputeMode(options.mode, &request.mode)) {
    err << fmt::format("bench: unknown mode {}; f32, bf16, int8 and w8a8 are known\n",
                       options.mode);
    return 2;
  }
  const auto report = BenchEngine(request);
  if (!report.ok()) {
    err << fmt::format("bench {}: {}\n", options.dir, Message(report.status()));
    return 2;
  }
  if (options.json) {
    nlohmann::json lines = nlohmann::json::array();
    for (const EngineBenchLine& line : report->lines) {
      lines.push_back({{"what", line.what},
                       {"tokens_per_s", line.tokens_per_s},
                       {"bytes_per_token", line.bytes_per_token},
                       {"macs_per_token", line.macs_per_token},
                       {"bandwidth_share", line.bandwidth_share},
                       {"compute_share", line.compute_share}});
    }
    const nlohmann::json document = {{"dir", options.dir},
                                     {"mode", options.mode},
                                     {"threads", options.threads},
                                     {"context_tokens", options.context_tokens},
                                     {"isa", report->isa},
                                     {"read_bytes_per_s", report->read_bytes_per_s},
                                     {"macs_per_s", report->macs_per_s},
                                     {"load_seconds", report->load_seconds},
                                     {"resident_bytes", report->resident_bytes},
                                     {"lines", lines}};
    out << document.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) << "\n";
    return 0;
  }
  out << fmt::format("{}: mode {}, {} threads, {}, {:.1f} MB resident, loaded in {:.2f} s\n",
                     options.dir, options.mode, options.threads, report->isa,
                     report->resident_bytes / 1e6, report->load_seconds);
  out << fmt::format("limits measured now: {:.1f} GB/s read, {:.1f} G multiply-adds/s\n\n",
                     report->read_bytes_per_s / 1e9, report->macs_per_s / 1e9);
  out << fmt::format("{:<20} {:>12} {:>12} {:>12} {:>14} {:>14}\n", "", "tokens/s", "MB/token",
                     "MMAC/token", "of bandwidth", "of arithmetic");
  for (const EngineBenchLine& line : report->lines) {
    out << fmt::format("{:<20} {:>12.1f} {:>12.3f} {:>12.2f} {:>13.1f}% {:>13.1f}%\n", line.what,
                       line.tokens_per_s, line.bytes_per_token / 1e6, line.macs_per_token / 1e6,
                       100 * line.bandwidth_share, 100 * line.compute_share);
  }
  return 0;
}

}  // namespace conclave
