// The roofline plot of a bench report: multiply-adds per second over multiply-adds per byte.
#pragma once

#include <string>

#include "common/engine_bench/engine_bench.h"

namespace conclave {

// An SVG document. Each line of the report is a point under the roof that memory bandwidth and the
// mode's multiply peak form; the dashed roofs belong to the other ways to multiply.
std::string RooflinePlot(const std::string& title, ComputeMode mode,
                         const EngineBenchReport& report);

}  // namespace conclave
