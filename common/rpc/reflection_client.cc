#include "common/rpc/reflection_client.h"

#include <cstdint>
#include <string_view>

#include "common/rpc/raw_call.h"

namespace conclave {
namespace {

// grpc.reflection.v1alpha: list_services is field 7 of the request; the response's field 6 holds
// the list, whose entries (field 1) hold a name (field 1).
constexpr char kMethod[] = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo";
constexpr char kListRequest[] = "\x3a\x01*";
constexpr int kListField = 6, kEntryField = 1, kNameField = 1;

bool ReadVarint(std::string_view& in, uint64_t* value) {
  *value = 0;
  for (int shift = 0; shift < 64 && !in.empty(); shift += 7) {
    const uint8_t byte = static_cast<uint8_t>(in.front());
    in.remove_prefix(1);
    *value |= static_cast<uint64_t>(byte & 0x7F) << shift;
    if (byte < 0x80) return true;
  }
  return false;
}

// The length-delimited values of `field`; other fields are skipped, damaged rests end it.
std::vector<std::string_view> Values(std::string_view in, int field) {
  std::vector<std::string_view> values;
  uint64_t tag = 0, length = 0;
  while (!in.empty() && ReadVarint(in, &tag)) {
    if ((tag & 7) == 0) {
      if (!ReadVarint(in, &length)) break;
      continue;
    }
    if ((tag & 7) != 2 || !ReadVarint(in, &length) || length > in.size()) break;
    if (static_cast<int>(tag >> 3) == field) values.push_back(in.substr(0, length));
    in.remove_prefix(length);
  }
  return values;
}

}  // namespace

absl::StatusOr<std::vector<std::string>> ListServices(const std::shared_ptr<grpc::Channel>& channel,
                                                      SteadyTime deadline) {
  ASSIGN_OR_RETURN(const std::string response, CallRaw(channel, kMethod, kListRequest, deadline));
  std::vector<std::string> names;
  for (std::string_view list : Values(response, kListField)) {
    for (std::string_view entry : Values(list, kEntryField)) {
      for (std::string_view name : Values(entry, kNameField)) names.emplace_back(name);
    }
  }
  return names;
}

}  // namespace conclave
