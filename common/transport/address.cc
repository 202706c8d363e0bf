#include "common/transport/address.h"

#include <cstring>

#include "common/base/check.h"
#include "common/base/digest.h"

namespace conclave {
namespace {

constexpr uint32_t kMagic = 0x41544e43;  // "CNTA"
constexpr uint8_t kVersion = 1;
constexpr size_t kMaxNativeBytes = 4096;

#pragma pack(push, 1)
struct Prefix {  // little-endian, followed by the native bytes and their digest
  uint32_t magic;
  uint8_t version;
  uint8_t kind;
  uint16_t native_bytes;
  uint64_t incarnation;
};
#pragma pack(pop)

}  // namespace

std::string EncodeAddress(const TransportAddress& address) {
  CONCLAVE_CHECK(address.native.size() <= kMaxNativeBytes);
  const Prefix prefix = {kMagic, kVersion, static_cast<uint8_t>(address.kind),
                         static_cast<uint16_t>(address.native.size()), address.incarnation};
  std::string bytes(reinterpret_cast<const char*>(&prefix), sizeof(prefix));
  bytes += address.native;
  const uint64_t digest = Digest(bytes.data(), bytes.size());
  bytes.append(reinterpret_cast<const char*>(&digest), sizeof(digest));
  return bytes;
}

absl::StatusOr<TransportAddress> DecodeAddress(const std::string& bytes, TransportKind expected) {
  Prefix prefix;
  uint64_t digest;
  if (bytes.size() < sizeof(prefix) + sizeof(digest)) {
    return InvalidArgument(
        "transport address of {} bytes is too short; a peer's Transport::Address() has at least {}",
        bytes.size(), sizeof(prefix) + sizeof(digest));
  }
  std::memcpy(&prefix, bytes.data(), sizeof(prefix));
  if (prefix.magic != kMagic || prefix.version != kVersion) {
    return InvalidArgument("not a transport address of version {} (magic {:#x}, version {})",
                           kVersion, prefix.magic, prefix.version);
  }
  if (prefix.native_bytes > kMaxNativeBytes ||
      bytes.size() != sizeof(prefix) + prefix.native_bytes + sizeof(digest)) {
    return InvalidArgument("transport address of {} bytes announces {} native bytes", bytes.size(),
                           prefix.native_bytes);
  }
  const size_t covered = bytes.size() - sizeof(digest);
  std::memcpy(&digest, bytes.data() + covered, sizeof(digest));
  if (digest != Digest(bytes.data(), covered)) {
    return InvalidArgument("transport address of {} bytes is damaged: its digest differs",
                           bytes.size());
  }
  if (prefix.kind != static_cast<uint8_t>(expected)) {
    return InvalidArgument(
        "transport address is of backend {}, this transport is of backend {}; both sides need the "
        "same",
        prefix.kind, static_cast<int>(expected));
  }
  if (prefix.incarnation == 0) return InvalidArgument("transport address names no incarnation");
  return TransportAddress{expected, prefix.incarnation,
                          bytes.substr(sizeof(prefix), prefix.native_bytes)};
}

}  // namespace conclave
