// Typed access to a JSON object that a client sent. Absent and null are the same. Errors are
// InvalidArgument that name the parameter, its value and the type that it should have.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "common/base/status.h"

namespace conclave {

// The body's object. The error tells line and column of what is malformed.
absl::StatusOr<nlohmann::json> ParseJsonObject(const std::string& body);

class JsonReader {
 public:
  // `prefix`: how the object is called in errors, "stream_options."; `object` must outlive the
  // reader.
  explicit JsonReader(const nlohmann::json& object, std::string prefix = "")
      : object_(object), prefix_(std::move(prefix)) {}

  // Null when absent.
  const nlohmann::json* Find(const char* name) const;
  absl::StatusOr<std::optional<std::string>> String(const char* name) const;
  absl::StatusOr<std::optional<bool>> Bool(const char* name) const;
  absl::StatusOr<std::optional<double>> Number(const char* name) const;
  absl::StatusOr<std::optional<int64_t>> Integer(const char* name) const;  // 2.0 counts as 2
  absl::StatusOr<std::optional<uint64_t>> Unsigned(const char* name) const;
  // A string or an array of strings; empty when absent.
  absl::StatusOr<std::vector<std::string>> Strings(const char* name) const;

  absl::Status WrongType(const char* name, const std::string& wanted) const;

 private:
  const nlohmann::json& object_;
  const std::string prefix_;
};

// At most 60 characters of the value, for errors.
std::string JsonExcerpt(const nlohmann::json& value);

}  // namespace conclave
