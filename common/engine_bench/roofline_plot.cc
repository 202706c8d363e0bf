#include "common/engine_bench/roofline_plot.h"

#include <algorithm>
#include <cmath>

namespace conclave {
namespace {

constexpr double kWidth = 900, kHeight = 560, kLeft = 80, kRight = 30, kTop = 60, kBottom = 60;

// Both axes are logarithmic.
struct Axes {
  double x_min = 0, x_max = 0, y_min = 0, y_max = 0;

  double X(double intensity) const {
    return kLeft +
           (kWidth - kLeft - kRight) * std::log(intensity / x_min) / std::log(x_max / x_min);
  }
  double Y(double rate) const {
    return kHeight - kBottom -
           (kHeight - kTop - kBottom) * std::log(rate / y_min) / std::log(y_max / y_min);
  }
};

std::string Escape(const std::string& text) {
  std::string out;
  for (char c : text) {
    if (c == '<') {
      out += "&lt;";
    } else if (c == '&') {
      out += "&amp;";
    } else {
      out += c;
    }
  }
  return out;
}

std::string Text(double x, double y, std::string_view anchor, int size, const std::string& text) {
  return fmt::format(
      "<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\" font-size=\"{}\">{}</text>\n", x, y,
      anchor, size, Escape(text));
}

std::string Line(double x1, double y1, double x2, double y2, std::string_view style) {
  return fmt::format("<line x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\" {}/>\n", x1, y1,
                     x2, y2, style);
}

std::string Grid(const Axes& a) {
  std::string svg;
  constexpr std::string_view kGrid = "stroke=\"#ddd\"";
  for (double x = std::pow(10, std::ceil(std::log10(a.x_min))); x <= a.x_max; x *= 10) {
    svg += Line(a.X(x), kTop, a.X(x), kHeight - kBottom, kGrid);
    svg += Text(a.X(x), kHeight - kBottom + 18, "middle", 12, fmt::format("{:g}", x));
  }
  for (double y = std::pow(10, std::ceil(std::log10(a.y_min))); y <= a.y_max; y *= 10) {
    svg += Line(kLeft, a.Y(y), kWidth - kRight, a.Y(y), kGrid);
    svg += Text(kLeft - 8, a.Y(y) + 4, "end", 12, fmt::format("{:g} G", y / 1e9));
  }
  svg += Text((kLeft + kWidth - kRight) / 2, kHeight - 18, "middle", 13,
              "multiply-adds per byte read");
  svg += fmt::format(
      "<text transform=\"translate(20 {:.0f}) rotate(-90)\" text-anchor=\"middle\" "
      "font-size=\"13\">multiply-adds per second</text>\n",
      kHeight / 2);
  return svg;
}

std::string Roof(const Axes& a, double bandwidth, double peak, std::string_view style,
                 const std::string& label) {
  const double knee = peak / bandwidth;
  return Line(a.X(std::max(knee, a.x_min)), a.Y(peak), a.X(a.x_max), a.Y(peak), style) +
         Text(a.X(a.x_max) - 4, a.Y(peak) - 6, "end", 12, label);
}

}  // namespace

std::string RooflinePlot(const std::string& title, ComputeMode mode,
                         const EngineBenchReport& report) {
  const MachineLimits& limits = report.limits;
  const double bandwidth = limits.read_bytes_per_s, peak = limits.MacsPerSecond(mode);
  const double highest = std::max({limits.float_macs_per_s, limits.bf16_dot_macs_per_s,
                                   limits.int16_dot_macs_per_s, limits.int8_dot_macs_per_s});
  Axes a{.x_min = 0.3, .x_max = 1000, .y_min = 1e15, .y_max = highest * 2};
  for (const EngineBenchLine& line : report.lines) {
    const double intensity = line.macs_per_token / line.bytes_per_token;
    a.x_min = std::min(a.x_min, intensity / 2);
    a.x_max = std::max(a.x_max, intensity * 3);
    a.y_min = std::min(a.y_min, line.tokens_per_s * line.macs_per_token / 2);
  }
  std::string svg = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0} {1}\" width=\"{0}\" "
      "height=\"{1}\" font-family=\"sans-serif\">\n<rect width=\"100%\" height=\"100%\" "
      "fill=\"white\"/>\n",
      kWidth, kHeight);
  svg += Text(kWidth / 2, 30, "middle", 16,
              fmt::format("{}, mode {}, {}", title, ComputeModeName(mode), report.isa));
  svg += Grid(a);
  constexpr std::string_view kOther = "stroke=\"#999\" stroke-dasharray=\"5 4\"";
  for (const auto& [rate, name] : {std::pair{limits.float_macs_per_s, "float32 multiply-add"},
                                   std::pair{limits.bf16_dot_macs_per_s, "bf16 dot"},
                                   std::pair{limits.int16_dot_macs_per_s, "int16 dot"},
                                   std::pair{limits.int8_dot_macs_per_s, "int8 dot"}}) {
    if (rate > 0 && rate != peak) svg += Roof(a, bandwidth, rate, kOther, name);
  }
  constexpr std::string_view kRoof = "stroke=\"#c33\" stroke-width=\"2\"";
  const double low = std::max(a.x_min, a.y_min / bandwidth);
  svg += Line(a.X(low), a.Y(low * bandwidth), a.X(peak / bandwidth), a.Y(peak), kRoof);
  svg += Roof(
      a, bandwidth, peak, kRoof,
      fmt::format("{:.0f} G multiply-adds/s, memory {:.1f} GB/s", peak / 1e9, bandwidth / 1e9));
  for (const EngineBenchLine& line : report.lines) {
    const double intensity = line.macs_per_token / line.bytes_per_token;
    const double x = a.X(intensity), y = a.Y(line.tokens_per_s * line.macs_per_token);
    svg += fmt::format("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"5\" fill=\"#236\"/>\n", x, y);
    const double roof = std::min(intensity * bandwidth, peak);
    svg += Text(x + 9, y + 4, "start", 12,
                fmt::format("{} ({:.0f} % of the roof)", line.what,
                            100 * line.tokens_per_s * line.macs_per_token / roof));
  }
  return svg + "</svg>\n";
}

}  // namespace conclave
