#include "services/router/http/json_reader.h"

#include <cmath>

#include "services/router/request_error.h"

namespace conclave {
namespace {

using nlohmann::json;

constexpr size_t kExcerptBytes = 60;

// nlohmann counts bytes from 1.
std::string Position(const std::string& body, size_t byte) {
  size_t line = 1, column = 1;
  for (size_t i = 0; i + 1 < byte && i < body.size(); ++i) {
    column = body[i] == '\n' ? 1 : column + 1;
    line += body[i] == '\n' ? 1 : 0;
  }
  return fmt::format("line {}, column {}", line, column);
}

// "[json.exception.parse_error.101] parse error at line 1, column 2: what": the last part.
std::string Reason(const std::string& what) {
  const size_t at = what.find(": ");
  return at == std::string::npos ? what : what.substr(at + 2);
}

}  // namespace

std::string JsonExcerpt(const json& value) {
  std::string text = value.is_structured()
                         ? (value.is_array() ? "an array" : "an object")
                         : value.dump(-1, ' ', true, json::error_handler_t::replace);
  if (text.size() > kExcerptBytes) text = text.substr(0, kExcerptBytes - 3) + "...";
  return text;
}

absl::StatusOr<json> ParseJsonObject(const std::string& body) {
  try {
    json value = json::parse(body);
    if (!value.is_object())
      return InvalidArgument("the request body must be a JSON object, but is {}",
                             JsonExcerpt(value));
    return value;
  } catch (const json::parse_error& error) {
    if (body.empty())
      return InvalidArgument("the request body is empty, but must be a JSON object");
    return InvalidArgument("the request body is not valid JSON at {}: {}",
                           Position(body, error.byte), Reason(error.what()));
  } catch (const json::exception& error) {
    return InvalidArgument("the request body is not valid JSON: {}", Reason(error.what()));
  }
}

const json* JsonReader::Find(const char* name) const {
  const auto it = object_.find(name);
  return it == object_.end() || it->is_null() ? nullptr : &*it;
}

absl::Status JsonReader::WrongType(const char* name, const std::string& wanted) const {
  const json* value = Find(name);
  return WithParam(InvalidArgument("'{}{}' must be {}, but is {}", prefix_, name, wanted,
                                   value == nullptr ? "missing" : JsonExcerpt(*value)),
                   prefix_ + name);
}

absl::StatusOr<std::optional<std::string>> JsonReader::String(const char* name) const {
  const json* value = Find(name);
  if (value == nullptr) return std::optional<std::string>();
  if (!value->is_string()) return WrongType(name, "a string");
  return std::optional(value->get<std::string>());
}

absl::StatusOr<std::optional<bool>> JsonReader::Bool(const char* name) const {
  const json* value = Find(name);
  if (value == nullptr) return std::optional<bool>();
  if (!value->is_boolean()) return WrongType(name, "true or false");
  return std::optional(value->get<bool>());
}

absl::StatusOr<std::optional<double>> JsonReader::Number(const char* name) const {
  const json* value = Find(name);
  if (value == nullptr) return std::optional<double>();
  if (!value->is_number()) return WrongType(name, "a number");
  return std::optional(value->get<double>());
}

absl::StatusOr<std::optional<int64_t>> JsonReader::Integer(const char* name) const {
  const json* value = Find(name);
  if (value == nullptr) return std::optional<int64_t>();
  if (value->is_number_unsigned() && value->get<uint64_t>() > uint64_t{INT64_MAX})
    return WrongType(name, "an integer below 2^63");
  if (value->is_number_integer()) return std::optional(value->get<int64_t>());
  if (value->is_number_float()) {
    const double number = value->get<double>();
    if (std::trunc(number) == number && std::fabs(number) < 9e18)
      return std::optional(static_cast<int64_t>(number));
  }
  return WrongType(name, "an integer");
}

absl::StatusOr<std::optional<uint64_t>> JsonReader::Unsigned(const char* name) const {
  const json* value = Find(name);
  if (value == nullptr) return std::optional<uint64_t>();
  if (!value->is_number_unsigned()) return WrongType(name, "an integer between 0 and 2^64 - 1");
  return std::optional(value->get<uint64_t>());
}

absl::StatusOr<std::vector<std::string>> JsonReader::Strings(const char* name) const {
  const json* value = Find(name);
  if (value == nullptr) return std::vector<std::string>();
  if (value->is_string()) return std::vector<std::string>{value->get<std::string>()};
  if (!value->is_array()) return WrongType(name, "a string or an array of strings");
  std::vector<std::string> out;
  for (size_t i = 0; i < value->size(); ++i) {
    if (!(*value)[i].is_string()) {
      const std::string element = fmt::format("{}{}[{}]", prefix_, name, i);
      return WithParam(
          InvalidArgument("'{}' must be a string, but is {}", element, JsonExcerpt((*value)[i])),
          element);
    }
    out.push_back((*value)[i].get<std::string>());
  }
  return out;
}

}  // namespace conclave
