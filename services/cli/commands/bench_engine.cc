#include "services/cli/commands/bench_engine.h"

#include <charconv>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <ostream>
#include <vector>

#include "common/engine_bench/engine_bench.h"
#include "common/engine_bench/roofline_plot.h"

namespace conclave {
namespace {

// Numbers separated by commas; an empty text is no number at all.
std::optional<std::vector<int>> ParseNumbers(const std::string& text) {
  std::vector<int> numbers;
  const char* p = text.data();
  const char* const end = p + text.size();
  while (p < end) {
    int number = 0;
    const auto [next, error] = std::from_chars(p, end, number);
    if (error != std::errc() || number < 0 || (next != end && *next != ',')) return std::nullopt;
    numbers.push_back(number);
    p = next == end ? end : next + 1;
    if (next != end && p == end) return std::nullopt;
  }
  return numbers;
}

nlohmann::json ToJson(const BenchEngineOptions& o, const EngineBenchReport& report) {
  nlohmann::json lines = nlohmann::json::array();
  for (const EngineBenchLine& line : report.lines) {
    lines.push_back({{"what", line.what},
                     {"tokens_per_s", line.tokens_per_s},
                     {"spread", line.spread},
                     {"bytes_per_token", line.bytes_per_token},
                     {"macs_per_token", line.macs_per_token},
                     {"bandwidth_share", line.bandwidth_share},
                     {"compute_share", line.compute_share},
                     {"against_first", line.against_first}});
  }
  return {{"dir", o.dir},
          {"shape", o.shape},
          {"mode", o.mode},
          {"threads", o.threads},
          {"isa", report.isa},
          {"limits",
           {{"read_bytes_per_s", report.limits.read_bytes_per_s},
            {"float_macs_per_s", report.limits.float_macs_per_s},
            {"bf16_dot_macs_per_s", report.limits.bf16_dot_macs_per_s},
            {"int16_dot_macs_per_s", report.limits.int16_dot_macs_per_s},
            {"int8_dot_macs_per_s", report.limits.int8_dot_macs_per_s},
            {"spread", report.limits_spread}}},
          {"rounds", report.rounds},
          {"load_seconds", report.load_seconds},
          {"resident_bytes", report.resident_bytes},
          {"lines", lines}};
}

void PrintTable(const BenchEngineOptions& o, const EngineBenchReport& r, ComputeMode mode,
                std::ostream& out) {
  const MachineLimits& l = r.limits;
  out << fmt::format("{}: mode {}, {} threads, {}, {:.1f} MB of weights, ready in {:.1f} s\n",
                     o.shape.empty() ? o.dir : o.shape, o.mode, o.threads, r.isa,
                     r.resident_bytes / 1e6, r.load_seconds);
  out << fmt::format(
      "limits, medians over {} rounds (read: spread {:.0f} %): read {:.1f} GB/s; multiply-adds "
      "float32 {:.0f}, bf16 dot {:.0f}, int16 dot {:.0f}, int8 dot {:.0f} G/s; the limit of this "
      "mode: {:.0f} "
      "G/s\n\n",
      r.rounds, 100 * r.limits_spread, l.read_bytes_per_s / 1e9, l.float_macs_per_s / 1e9,
      l.bf16_dot_macs_per_s / 1e9, l.int16_dot_macs_per_s / 1e9, l.int8_dot_macs_per_s / 1e9,
      l.MacsPerSecond(mode) / 1e9);
  out << fmt::format("{:<32} {:>10} {:>8} {:>10} {:>11} {:>13} {:>13} {:>14}\n", "", "tokens/s",
                     "spread", "MB/token", "MMAC/token", "of bandwidth", "of multiply",
                     "over 1st line");
  for (const EngineBenchLine& line : r.lines) {
    out << fmt::format(
        "{:<32} {:>10.1f} {:>7.0f}% {:>10.2f} {:>11.1f} {:>12.1f}% {:>12.1f}% {:>13.2f}x\n",
        line.what, line.tokens_per_s, 100 * line.spread, line.bytes_per_token / 1e6,
        line.macs_per_token / 1e6, 100 * line.bandwidth_share, 100 * line.compute_share,
        line.against_first);
  }
}

}  // namespace

int RunBenchEngine(const BenchEngineOptions& options, std::ostream& out, std::ostream& err) {
  const auto fail = [&](const std::string& why) {
    err << "bench engine: " << why << "\n";
    return 2;
  };
  if (options.dir.empty() == options.shape.empty())
    return fail("give either --model DIR or --shape NAME (tiny, v2lite-slice, v3-slice)");
  const auto contexts = ParseNumbers(options.contexts), batches = ParseNumbers(options.batches);
  if (!contexts || !batches) {
    return fail(fmt::format("--contexts {} and --batches {} must be numbers separated by commas",
                            options.contexts, options.batches));
  }
  EngineBenchRequest request{.dir = options.dir,
                             .shape = options.shape,
                             .threads = options.threads,
                             .contexts = *contexts,
                             .batches = *batches,
                             .prefill_tokens = options.prefill_tokens,
                             .seconds = options.seconds};
  if (!ParseComputeMode(options.mode, &request.mode)) {
    return fail(fmt::format("unknown mode {}; f32, bf16, int8 and w8a8 are known", options.mode));
  }
  request.progress = [&](const std::string& what) { err << "measuring: " << what << std::endl; };
  request.load_progress = StderrProgress("loading", /*json_logs=*/false);
  const auto report = BenchEngine(request);
  if (!report.ok()) return fail(Message(report.status()));
  if (options.json) {
    out << ToJson(options, *report).dump(2, ' ', false, nlohmann::json::error_handler_t::replace)
        << "\n";
  } else {
    PrintTable(options, *report, request.mode, out);
  }
  if (options.plot.empty()) return 0;
  std::ofstream file(options.plot);
  file << RooflinePlot(options.shape.empty() ? options.dir : options.shape, request.mode, *report);
  if (!file.flush()) return fail(fmt::format("cannot write {}", options.plot));
  return 0;
}

}  // namespace conclave
