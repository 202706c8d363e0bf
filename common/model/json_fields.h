// Typed access to the fields of a JSON object, with errors that name the file, the field and its
// value. Internal to this module.
#pragma once

#include <cmath>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "common/base/status.h"

namespace conclave {

// The document, or InvalidArgument with the parser's position. Never throws.
absl::StatusOr<nlohmann::json> ParseJson(std::string_view text, const std::string& origin);

// A value as text for an error message, shortened.
std::string Show(const nlohmann::json& value);

// Reads fields of one object. The first failure is kept and later reads return their fallback, so a
// caller reads everything and checks status() once. `object` must outlive the reader.
class FieldReader {
 public:
  FieldReader(const nlohmann::json& object, std::string origin)
      : object_(object), origin_(std::move(origin)) {}

  // Present and not null.
  bool Has(const char* name) const { return Find(name) != nullptr; }
  const nlohmann::json* Find(const char* name) const;

  int Int(const char* name, int64_t low, int64_t high);  // required
  int IntOr(const char* name, int64_t low, int64_t high,
            int fallback);                                   // fallback when absent or null
  double Double(const char* name, double low, double high);  // required, finite
  double DoubleOr(const char* name, double low, double high, double fallback);
  bool BoolOr(const char* name, bool fallback);
  std::string String(const char* name);  // required
  // The field, if present, must equal `expected`; `why` ends the error message.
  void ExpectString(const char* name, std::string_view expected, const char* why, bool required);

  void Fail(const absl::Status& status) {
    if (status_.ok()) status_ = status;
  }
  const absl::Status& status() const { return status_; }
  const std::string& origin() const { return origin_; }

 private:
  const nlohmann::json& object_;
  std::string origin_;
  absl::Status status_;
};

}  // namespace conclave
