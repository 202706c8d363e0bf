// The wire format between RemoteExperts and ExpertServer, one message each way per (client, host,
// layer, call, attempt). All integers little-endian. Parsing checks every field against the bytes
// that are there before anything is used, so a damaged or hostile message can only be refused.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "common/base/ids.h"
#include "common/base/status.h"
#include "common/engine/expert_backend.h"

namespace conclave {

// Bounds of one message. Clients cut larger calls into several messages.
inline constexpr uint32_t kMaxMessagePicks = 4096;
inline constexpr uint32_t kMaxHidden = 65536;
inline constexpr uint32_t kMaxLayer = 4096;
inline constexpr uint32_t kMaxExpert = 65536;
inline constexpr uint64_t kMaxAnswerBytes = 16ull << 20;
inline constexpr size_t kMaxText = 1024;

#pragma pack(push, 1)
// Payload: `picks` pairs of (row u32, expert u32), then the rows [rows, hidden] in the mode's type.
// Rows are each there once; picks name them by their index in this message, ascending by (row,
// expert).
struct DispatchHeader {
  static constexpr uint32_t kMagic = 0x44454e43;  // "CNED"
  static constexpr uint16_t kVersion = 1;
  uint32_t magic = kMagic;
  uint16_t version = kVersion;
  uint8_t mode = 0;  // ComputeMode
  uint8_t reserved = 0;
  uint64_t client = 0;  // incarnation
  uint64_t epoch = 0;   // of the client's map
  uint64_t call = 0;    // of this client, never reused
  uint32_t attempt = 0;
  uint32_t layer = 0;
  uint32_t rows = 0;
  uint32_t picks = 0;
  uint32_t hidden = 0;
  uint32_t deadline_ms = 0;  // remaining when sent
  uint64_t digest = 0;       // of the payload
};

enum class ResultCode : uint8_t { kOk = 0, kNotHosted = 1, kBusy = 2, kExpired = 3, kError = 4 };

// Payload: kOk: [picks, hidden] float32; kNotHosted: the experts (u32 each) that are not held here;
// kError: text; otherwise empty.
struct ResultHeader {
  static constexpr uint32_t kMagic = 0x52454e43;  // "CNER"
  static constexpr uint16_t kVersion = 1;
  uint32_t magic = kMagic;
  uint16_t version = kVersion;
  uint8_t code = 0;  // ResultCode
  uint8_t reserved = 0;
  uint64_t host = 0;   // incarnation
  uint64_t epoch = 0;  // newest map that the host knows
  uint64_t call = 0;
  uint32_t attempt = 0;
  uint32_t picks = 0;
  uint32_t hidden = 0;
  uint32_t retry_after_ms = 0;  // kBusy
  uint64_t digest = 0;          // of the payload
};
#pragma pack(pop)

// A dispatch whose every field was checked: picks ascending and in bounds, sizes exact, digest
// right.
struct ParsedDispatch {
  DispatchHeader header;
  std::vector<ExpertPick> picks;
  std::span<const uint8_t> rows;  // inside the message
};
absl::StatusOr<ParsedDispatch> ParseDispatch(std::span<const uint8_t> header,
                                             std::span<const uint8_t> payload);

struct ParsedResult {
  ResultHeader header;
  ResultCode code = ResultCode::kOk;
  std::span<const uint8_t> rows;  // kOk: [picks, hidden] float32, unaligned
  std::vector<uint32_t> missing;  // kNotHosted
  std::string text;               // kError
};
absl::StatusOr<ParsedResult> ParseResult(std::span<const uint8_t> header,
                                         std::span<const uint8_t> payload);

// One message that owns its bytes, kept alive by the send's completion.
struct DispatchMessage {
  DispatchHeader header;
  std::vector<uint8_t> payload;
};
// Takes out of `rows` what the picks `chosen` (ascending indices into rows.picks) need. Sets the
// fields that follow from the rows; client, epoch, call, attempt and deadline_ms are the caller's.
DispatchMessage BuildDispatch(const RoutedRows& rows, std::span<const uint32_t> chosen);

template <typename Header>
std::span<const uint8_t> HeaderBytes(const Header& header) {
  return {reinterpret_cast<const uint8_t*>(&header), sizeof(Header)};
}

}  // namespace conclave
