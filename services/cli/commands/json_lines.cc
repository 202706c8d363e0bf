#include "services/cli/commands/json_lines.h"

#include <string>

namespace conclave {
namespace {

using nlohmann::json;

absl::StatusOr<json> ParseObject(const std::string& line) {
  try {
    json object = json::parse(line);
    if (!object.is_object()) return InvalidArgument("not a JSON object");
    return object;
  } catch (const std::exception& e) {
    return InvalidArgument("not valid JSON: {}", e.what());
  }
}

}  // namespace

int FilterJsonLines(std::istream& in, std::ostream& out,
                    const std::function<absl::StatusOr<json>(const json&)>& answer) {
  int status = 0;
  int64_t number = 0;
  for (std::string line; std::getline(in, line);) {
    ++number;
    absl::StatusOr<json> object = ParseObject(line);
    absl::StatusOr<json> result = object.ok() ? answer(*object) : object;
    if (!result.ok()) {
      status = 1;
      result = json{{"error", fmt::format("line {}: {}", number, Message(result.status()))}};
    }
    out << result->dump(-1, ' ', false, json::error_handler_t::replace) << '\n' << std::flush;
    if (!out) return 1;
  }
  return status;
}

}  // namespace conclave
