#include "services/cli/commands/verify.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <ostream>

#include "common/engine/verify.h"

namespace conclave {
namespace {

using nlohmann::json;

// JSON has no infinity: what is not a number becomes null.
json Number(double value) { return std::isfinite(value) ? json(value) : json(nullptr); }

void PrintTable(const VerifyReport& report, std::ostream& out) {
  out << fmt::format("{}: mode {}, KV {}, {} prompt tokens\n\n", report.dir,
                     ComputeModeName(report.mode), KvFormatName(report.kv_format),
                     report.prompt_tokens);
  size_t width = 36;
  for (const VerifyLine& line : report.lines) width = std::max(width, line.kind.size());
  out << fmt::format("{:<{}} {:>9} {:>12}  {:<24} {:>6}  {:<4}  {}\n", "tensor", width, "compared",
                     "deviation", "tolerance", "used", "", "largest at");
  for (const VerifyLine& line : report.lines) {
    out << fmt::format("{:<{}} {:>9} {:>12.3g}  {:<24} {:>5.0f}%  {:<4}  {}\n", line.kind, width,
                       line.compared, line.deviation, line.rule, 100 * line.used,
                       line.ok() ? "ok" : "MISS", line.worst);
  }
  out << fmt::format(
      "\n{}\n", report.ok() ? "equal within the tolerances" : "NOT equal within the tolerances");
}

void PrintJson(const VerifyReport& report, std::ostream& out) {
  json lines = json::array();
  for (const VerifyLine& line : report.lines) {
    lines.push_back({{"tensor", line.kind},
                     {"compared", line.compared},
                     {"deviation", Number(line.deviation)},
                     {"tolerance", line.rule},
                     {"tolerance_used", Number(line.used)},
                     {"worst", line.worst},
                     {"ok", line.ok()}});
  }
  const json document = {{"dir", report.dir},
                         {"mode", std::string(ComputeModeName(report.mode))},
                         {"kv_cache", std::string(KvFormatName(report.kv_format))},
                         {"prompt_tokens", report.prompt_tokens},
                         {"ok", report.ok()},
                         {"tensors", lines}};
  out << document.dump(2, ' ', false, json::error_handler_t::replace) << "\n";
}

}  // namespace

int RunVerify(const VerifyOptions& options, std::ostream& out, std::ostream& err) {
  VerifyRequest request{.dir = options.dir, .threads = options.threads};
  if (!ParseComputeMode(options.mode, &request.mode)) {
    err << fmt::format("verify: unknown mode {}; f32, bf16, int8 and w8a8 are known\n",
                       options.mode);
    return 2;
  }
  if (!ParseKvFormat(options.kv_cache, &request.kv_format)) {
    err << fmt::format("verify: unknown KV format {}; auto, fp8 and bf16 are known\n",
                       options.kv_cache);
    return 2;
  }
  request.load_progress = StderrProgress("loading", /*json_logs=*/false);
  const absl::StatusOr<VerifyReport> report = Verify(request);
  if (!report.ok()) {
    err << fmt::format("verify {}: {}\n", options.dir, Message(report.status()));
    return 2;
  }
  if (options.json) {
    PrintJson(*report, out);
  } else {
    PrintTable(*report, out);
  }
  return report->ok() ? 0 : 1;
}

}  // namespace conclave
