#include "common/model/safetensors_header.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <tuple>
#include <unordered_set>

#include "common/model/json_fields.h"
#include "common/model/utf8.h"

namespace conclave {
namespace {

using nlohmann::json;

constexpr uint64_t kLengthBytes = 8;
constexpr uint64_t kMaxHeaderBytes =
    100'000'000;  // the limit of the format's reference implementation
constexpr size_t kMaxDimensions = 16;

std::optional<TensorType> FindType(std::string_view name) {
  for (TensorType type : {TensorType::kF32, TensorType::kBF16, TensorType::kF8E4M3,
                          TensorType::kI64, TensorType::kI32, TensorType::kU8}) {
    if (TensorTypeName(type) == name) return type;
  }
  return std::nullopt;
}

// A non-negative integer that fits int64.
std::optional<int64_t> Count(const json& value) {
  if (!value.is_number_unsigned()) return std::nullopt;
  uint64_t number = value.get<uint64_t>();
  if (number > static_cast<uint64_t>(INT64_MAX)) return std::nullopt;
  return static_cast<int64_t>(number);
}

// The entries of a JSON object as they are written, twice the same name included: its colons
// outside strings and inner objects. REQUIRES: `text` is valid JSON.
size_t CountEntries(std::string_view text) {
  size_t entries = 0;
  int depth = 0;
  bool in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') ++i;
      if (c == '"') in_string = false;
      continue;
    }
    in_string = c == '"';
    depth += (c == '{' || c == '[') - (c == '}' || c == ']');
    entries += c == ':' && depth == 1;
  }
  return entries;
}

// The name that is written twice in an object of a header.
std::string FindDuplicate(std::string_view text) {
  std::unordered_set<std::string> names;
  std::string duplicate;
  const auto watch = [&](int depth, json::parse_event_t event, json& parsed) {
    if (event == json::parse_event_t::key && depth == 1 && duplicate.empty() &&
        !names.insert(parsed.get_ref<const std::string&>()).second) {
      duplicate = parsed.get<std::string>();
    }
    return true;
  };
  static_cast<void>(json::parse(text.begin(), text.end(), watch, /*allow_exceptions=*/false));
  return duplicate;
}

// Parses the header and refuses names that occur twice, which a plain parse would silently merge.
// Watching the parse costs the square of the number of tensors, so that is kept for the error.
absl::StatusOr<json> ParseHeader(std::string_view text, const std::string& origin) {
  json header;
  try {
    header = json::parse(text.begin(), text.end());
  } catch (const std::exception& e) {
    return InvalidArgument("{}: the header of {} bytes is not valid JSON: {}", origin, text.size(),
                           Printable(e.what(), 300));
  }
  if (!header.is_object()) return InvalidArgument("{}: the header is not a JSON object", origin);
  if (CountEntries(text) != header.size()) {
    return InvalidArgument("{}: tensor {} occurs twice in the header", origin, FindDuplicate(text));
  }
  return header;
}

absl::Status CheckMetadata(const json& metadata, const std::string& origin) {
  if (!metadata.is_object()) return InvalidArgument("{}: __metadata__ is not an object", origin);
  for (const auto& [key, value] : metadata.items()) {
    if (!value.is_string()) {
      return InvalidArgument("{}: __metadata__ field {} is {}; a string is needed", origin, key,
                             Show(value));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<TensorView> ParseTensor(const std::string& name, const json& entry,
                                       const uint8_t* data, int64_t data_bytes,
                                       const std::string& origin) {
  if (!entry.is_object())
    return InvalidArgument("{}: tensor {}: its entry is {}", origin, name, Show(entry));
  TensorView tensor;
  tensor.name = name;

  auto dtype = entry.find("dtype");
  if (dtype == entry.end() || !dtype->is_string()) {
    return InvalidArgument("{}: tensor {}: dtype is missing or not a string", origin, name);
  }
  std::optional<TensorType> type = FindType(dtype->get_ref<const std::string&>());
  if (!type) {
    return InvalidArgument(
        "{}: tensor {}: dtype {} is not supported; supported: F32, BF16, F8_E4M3, I64, I32, U8",
        origin, name, Show(*dtype));
  }
  tensor.type = *type;

  auto shape = entry.find("shape");
  if (shape == entry.end() || !shape->is_array() || shape->size() > kMaxDimensions) {
    return InvalidArgument("{}: tensor {}: shape is not a list of at most {} sizes", origin, name,
                           kMaxDimensions);
  }
  int64_t wanted = TensorTypeBytes(*type);
  for (const json& size : *shape) {
    std::optional<int64_t> count = Count(size);
    if (!count)
      return InvalidArgument("{}: tensor {}: size {} in shape {}", origin, name, Show(size),
                             Show(*shape));
    if (__builtin_mul_overflow(wanted, *count, &wanted)) {
      return InvalidArgument("{}: tensor {}: shape {} of {} overflows 64 bits", origin, name,
                             Show(*shape), TensorTypeName(*type));
    }
    tensor.shape.push_back(*count);
  }

  auto offsets = entry.find("data_offsets");
  if (offsets == entry.end() || !offsets->is_array() || offsets->size() != 2) {
    return InvalidArgument("{}: tensor {}: data_offsets is not a pair", origin, name);
  }
  std::optional<int64_t> begin = Count((*offsets)[0]), end = Count((*offsets)[1]);
  if (!begin || !end || *begin > *end) {
    return InvalidArgument("{}: tensor {}: data_offsets {} are not begin <= end", origin, name,
                           Show(*offsets));
  }
  if (*end > data_bytes) {
    return InvalidArgument(
        "{}: tensor {}: its data end at {}, the file holds {} bytes of data; it is truncated "
        "or its header is wrong",
        origin, name, *end, data_bytes);
  }
  if (*end - *begin != wanted) {
    return InvalidArgument("{}: tensor {}: data_offsets {} hold {} bytes, shape {} of {} needs {}",
                           origin, name, Show(*offsets), *end - *begin, Show(*shape),
                           TensorTypeName(*type), wanted);
  }
  tensor.data = data + *begin;
  tensor.bytes = wanted;
  return tensor;
}

// Tensors must tile the data exactly.
absl::Status CheckTiling(std::vector<TensorView>& tensors, const uint8_t* data, int64_t data_bytes,
                         const std::string& origin) {
  std::sort(tensors.begin(), tensors.end(), [](const TensorView& a, const TensorView& b) {
    return std::tie(a.data, a.bytes, a.name) < std::tie(b.data, b.bytes, b.name);
  });
  int64_t at = 0;
  const TensorView* previous = nullptr;
  for (const TensorView& tensor : tensors) {
    int64_t begin = tensor.data - data;
    if (begin < at) {
      return InvalidArgument(
          "{}: tensors {} and {} overlap: the second begins at {}, the first ends at {}", origin,
          previous->name, tensor.name, begin, at);
    }
    if (begin > at) {
      return InvalidArgument("{}: a hole of {} bytes before tensor {}, which begins at {}", origin,
                             begin - at, tensor.name, begin);
    }
    at = begin + tensor.bytes;
    previous = &tensor;
  }
  if (at != data_bytes) {
    return InvalidArgument("{}: the tensors end at {}, the file holds {} bytes of data", origin, at,
                           data_bytes);
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<TensorView>> ParseSafetensors(std::span<const uint8_t> file,
                                                         const std::string& origin) {
  if (file.size() < kLengthBytes) {
    return InvalidArgument("{}: {} bytes; a safetensors file has at least 8", origin, file.size());
  }
  uint64_t header_bytes = 0;
  for (uint64_t i = 0; i < kLengthBytes; ++i)
    header_bytes |= static_cast<uint64_t>(file[i]) << (8 * i);
  const uint64_t rest = file.size() - kLengthBytes;
  if (header_bytes > rest) {
    return InvalidArgument(
        "{}: the header claims {} bytes, the file has {} after the length; it is truncated or "
        "not a safetensors file",
        origin, header_bytes, rest);
  }
  if (header_bytes > kMaxHeaderBytes) {
    return InvalidArgument("{}: the header claims {} bytes, at most {} are accepted", origin,
                           header_bytes, kMaxHeaderBytes);
  }
  std::string_view text(reinterpret_cast<const char*>(file.data()) + kLengthBytes, header_bytes);
  ASSIGN_OR_RETURN(json header, ParseHeader(text, origin));

  const uint8_t* data = file.data() + kLengthBytes + header_bytes;
  const int64_t data_bytes = static_cast<int64_t>(rest - header_bytes);
  std::vector<TensorView> tensors;
  tensors.reserve(header.size());
  for (const auto& [name, entry] : header.items()) {
    if (name == "__metadata__") {
      RETURN_IF_ERROR(CheckMetadata(entry, origin));
      continue;
    }
    ASSIGN_OR_RETURN(TensorView tensor, ParseTensor(name, entry, data, data_bytes, origin));
    tensors.push_back(std::move(tensor));
  }
  RETURN_IF_ERROR(CheckTiling(tensors, data, data_bytes, origin));
  return tensors;
}

}  // namespace conclave
