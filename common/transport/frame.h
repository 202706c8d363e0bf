// Messages cut into frames: what backends with a bounded message size put on the wire.
//
// A message is `header` and a payload. Frame i carries payload bytes [i * kFrameChunk, ...); frame
// 0 carries the message header in front of them. Each frame has its own header and digests, so that
// no damaged byte reaches a handler.
#pragma once

#include <cstdint>
#include <span>

#include "common/base/ids.h"

namespace conclave {

inline constexpr size_t kMaxFrameBytes = 65536;
inline constexpr size_t kMaxHeaderBytes = 4096;

#pragma pack(push, 1)
// Little-endian.
struct FrameHeader {
  static constexpr uint32_t kMagic = 0x46544e43;  // "CNTF"
  static constexpr uint8_t kVersion = 1;
  uint32_t magic = kMagic;
  uint8_t version = kVersion;
  uint8_t channel = 0;
  uint16_t header_bytes = 0;   // of the message header; carried by the frame at offset 0
  uint64_t from = 0;           // sender's incarnation
  uint64_t message = 0;        // of this sender, never reused
  uint64_t total = 0;          // payload bytes of the message
  uint64_t offset = 0;         // of this frame's payload bytes
  uint32_t bytes = 0;          // payload bytes of this frame
  uint32_t header_digest = 0;  // of this struct with this field zero
  uint64_t body_digest = 0;    // of what follows
};
#pragma pack(pop)

// Payload bytes of every frame but the last: with the largest message header a frame stays within
// kMaxFrameBytes.
inline constexpr size_t kFrameChunk =
    (kMaxFrameBytes - kMaxHeaderBytes - sizeof(FrameHeader)) / 64 * 64;

// Fills both digests.
void SealFrame(FrameHeader& header, std::span<const uint8_t> body);

enum class FrameCheck { kGood, kForeign, kDamagedBody };
// kForeign: the header itself cannot be trusted. Otherwise every field is in bounds and `header` is
// set.
FrameCheck CheckFrame(std::span<const uint8_t> header_bytes, std::span<const uint8_t> body,
                      FrameHeader* header);

inline uint64_t FrameCount(uint64_t total) {
  return total == 0 ? 1 : (total + kFrameChunk - 1) / kFrameChunk;
}

}  // namespace conclave
