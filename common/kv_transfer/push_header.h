// What travels in front of every pushed extent, in the message header of Channel::kKvPush.
#pragma once

#include <cstdint>
#include <cstring>
#include <span>

namespace conclave {

#pragma pack(push, 1)
// Little-endian. The payload is `bytes` bytes of one layer of one block, tokens in order.
struct KvPushHeader {
  static constexpr uint32_t kMagic = 0x504b4e43;  // "CNKP"
  static constexpr uint16_t kVersion = 1;
  uint32_t magic = kMagic;
  uint16_t version = kVersion;
  uint16_t reserved = 0;
  uint64_t session = 0;
  uint64_t generation = 0;
  uint64_t owner = 0;   // incarnation whose pages are written
  uint64_t source = 0;  // incarnation that computed the prompt
  uint32_t layer = 0;
  uint32_t block = 0;  // of the prompt
  uint32_t bytes = 0;
  uint32_t reserved2 = 0;
  uint64_t digest = 0;  // of the payload

  // False when the bytes are no header of this version.
  static bool Parse(std::span<const uint8_t> data, KvPushHeader* header) {
    if (data.size() != sizeof(KvPushHeader)) return false;
    std::memcpy(header, data.data(), sizeof(KvPushHeader));
    return header->magic == kMagic && header->version == kVersion;
  }
};
#pragma pack(pop)

}  // namespace conclave
