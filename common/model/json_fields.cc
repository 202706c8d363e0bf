#include "common/model/json_fields.h"

#include "common/model/utf8.h"

namespace conclave {

using nlohmann::json;

absl::StatusOr<json> ParseJson(std::string_view text, const std::string& origin) {
  try {
    return json::parse(text.begin(), text.end());
  } catch (const std::exception& e) {
    return InvalidArgument("{}: not valid JSON: {}", origin, Printable(e.what(), 300));
  }
}

std::string Show(const json& value) {
  if (value.is_object()) return fmt::format("an object of {} fields", value.size());
  if (value.is_array() && value.size() > 8) return fmt::format("a list of {} values", value.size());
  if (value.is_array()) {
    for (const json& item : value) {
      if (item.is_structured()) return fmt::format("a list of {} values", value.size());
    }
  }
  return Printable(value.dump(-1, ' ', false, json::error_handler_t::replace), 80);
}

const json* FieldReader::Find(const char* name) const {
  auto it = object_.find(name);
  return it == object_.end() || it->is_null() ? nullptr : &*it;
}

int FieldReader::Int(const char* name, int64_t low, int64_t high) {
  if (!Has(name)) {
    Fail(InvalidArgument("{}: field {} is missing; an integer in [{}, {}] is needed", origin_, name,
                         low, high));
    return static_cast<int>(low);
  }
  return IntOr(name, low, high, 0);
}

int FieldReader::IntOr(const char* name, int64_t low, int64_t high, int fallback) {
  const json* value = Find(name);
  if (value == nullptr) return fallback;
  // An unsigned value above int64's range would wrap when read as signed.
  bool huge =
      value->is_number_unsigned() && value->get<uint64_t>() > static_cast<uint64_t>(INT64_MAX);
  if (!value->is_number_integer() || huge || value->get<int64_t>() < low ||
      value->get<int64_t>() > high) {
    Fail(InvalidArgument("{}: field {} is {}; an integer in [{}, {}] is needed", origin_, name,
                         Show(*value), low, high));
    return static_cast<int>(low);
  }
  return static_cast<int>(value->get<int64_t>());
}

double FieldReader::Double(const char* name, double low, double high) {
  if (!Has(name)) {
    Fail(InvalidArgument("{}: field {} is missing; a number in [{}, {}] is needed", origin_, name,
                         low, high));
    return low;
  }
  return DoubleOr(name, low, high, 0);
}

double FieldReader::DoubleOr(const char* name, double low, double high, double fallback) {
  const json* value = Find(name);
  if (value == nullptr) return fallback;
  double number = value->is_number() ? value->get<double>() : NAN;
  if (!(number >= low && number <= high)) {
    Fail(InvalidArgument("{}: field {} is {}; a number in [{}, {}] is needed", origin_, name,
                         Show(*value), low, high));
    return low;
  }
  return number;
}

bool FieldReader::BoolOr(const char* name, bool fallback) {
  const json* value = Find(name);
  if (value == nullptr) return fallback;
  if (!value->is_boolean()) {
    Fail(InvalidArgument("{}: field {} is {}; true or false is needed", origin_, name,
                         Show(*value)));
    return fallback;
  }
  return value->get<bool>();
}

std::string FieldReader::String(const char* name) {
  const json* value = Find(name);
  if (value == nullptr || !value->is_string()) {
    Fail(InvalidArgument("{}: field {} is {}; a string is needed", origin_, name,
                         value == nullptr ? "missing" : Show(*value)));
    return "";
  }
  return value->get<std::string>();
}

void FieldReader::ExpectString(const char* name, std::string_view expected, const char* why,
                               bool required) {
  const json* value = Find(name);
  if (value == nullptr && !required) return;
  if (value == nullptr || !value->is_string() || value->get_ref<const std::string&>() != expected) {
    Fail(InvalidArgument("{}: field {} is {}; it must be \"{}\": {}", origin_, name,
                         value == nullptr ? "missing" : Show(*value), expected, why));
  }
}

}  // namespace conclave
