#include "common/transport/frame.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "common/base/digest.h"

namespace conclave {
namespace {

static_assert(std::endian::native == std::endian::little, "the wire is little-endian");

uint32_t HeaderDigest(FrameHeader header) {
  header.header_digest = 0;
  return static_cast<uint32_t>(Digest(&header, sizeof(header)));
}

}  // namespace

void SealFrame(FrameHeader& header, std::span<const uint8_t> body) {
  header.body_digest = Digest(body.data(), body.size());
  header.header_digest = HeaderDigest(header);
}

FrameCheck CheckFrame(std::span<const uint8_t> header_bytes, std::span<const uint8_t> body,
                      FrameHeader* header) {
  if (header_bytes.size() != sizeof(FrameHeader)) return FrameCheck::kForeign;
  std::memcpy(header, header_bytes.data(), sizeof(FrameHeader));
  const FrameHeader& h = *header;
  if (h.magic != FrameHeader::kMagic || h.version != FrameHeader::kVersion ||
      h.header_digest != HeaderDigest(h)) {
    return FrameCheck::kForeign;
  }
  const bool aligned = h.offset % kFrameChunk == 0 && (h.offset < h.total || h.offset == 0);
  if (h.from == 0 || h.header_bytes > kMaxHeaderBytes || !aligned ||
      h.bytes != std::min<uint64_t>(kFrameChunk, h.total - h.offset) ||
      body.size() != h.bytes + (h.offset == 0 ? size_t{h.header_bytes} : 0)) {
    return FrameCheck::kForeign;
  }
  return h.body_digest == Digest(body.data(), body.size()) ? FrameCheck::kGood
                                                           : FrameCheck::kDamagedBody;
}

}  // namespace conclave
