#include "common/remote_experts/wire.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "common/base/digest.h"

namespace conclave {
namespace {

static_assert(std::endian::native == std::endian::little, "the wire is little-endian");
static_assert(sizeof(ExpertPick) == 8);

}  // namespace

absl::StatusOr<ParsedDispatch> ParseDispatch(std::span<const uint8_t> header,
                                             std::span<const uint8_t> payload) {
  ParsedDispatch parsed;
  DispatchHeader& h = parsed.header;
  if (header.size() != sizeof(h))
    return InvalidArgument("dispatch header of {} bytes, not {}", header.size(), sizeof(h));
  std::memcpy(&h, header.data(), sizeof(h));
  if (h.magic != DispatchHeader::kMagic || h.version != DispatchHeader::kVersion) {
    return InvalidArgument("not a dispatch of version {}",
                           static_cast<int>(DispatchHeader::kVersion));
  }
  if (h.mode >= kComputeModes) return InvalidArgument("unknown compute mode {}", int{h.mode});
  const uint32_t rows = h.rows, picks = h.picks, hidden = h.hidden, layer = h.layer;
  if (layer >= kMaxLayer || hidden == 0 || hidden > kMaxHidden || picks == 0 ||
      picks > kMaxMessagePicks || rows == 0 || rows > picks ||
      uint64_t{picks} * hidden * sizeof(float) > std::max<uint64_t>(kMaxAnswerBytes, hidden * 4)) {
    return InvalidArgument("dispatch out of bounds: layer {}, {} rows, {} picks, hidden {}", layer,
                           rows, picks, hidden);
  }
  const uint64_t row_bytes =
      uint64_t{rows} * hidden * ActivationBytes(static_cast<ComputeMode>(h.mode));
  const uint64_t pick_bytes = uint64_t{picks} * sizeof(ExpertPick);
  if (payload.size() != pick_bytes + row_bytes) {
    return InvalidArgument("dispatch of {} rows and {} picks has {} bytes, needs {}", rows, picks,
                           payload.size(), pick_bytes + row_bytes);
  }
  if (h.digest != Digest(payload.data(), payload.size()))
    return DataLoss("dispatch of layer {} is damaged", layer);
  parsed.picks.resize(picks);
  std::memcpy(parsed.picks.data(), payload.data(), pick_bytes);
  for (uint32_t i = 0; i < picks; ++i) {
    const ExpertPick pick = parsed.picks[i];
    const bool ascending =
        i == 0 || parsed.picks[i - 1].row < pick.row ||
        (parsed.picks[i - 1].row == pick.row && parsed.picks[i - 1].expert < pick.expert);
    if (pick.row >= rows || pick.expert >= kMaxExpert || !ascending) {
      return InvalidArgument(
          "pick {} of the dispatch is (row {}, expert {}): out of bounds or order", i, pick.row,
          pick.expert);
    }
  }
  parsed.rows = payload.subspan(pick_bytes);
  return parsed;
}

absl::StatusOr<ParsedResult> ParseResult(std::span<const uint8_t> header,
                                         std::span<const uint8_t> payload) {
  ParsedResult parsed;
  ResultHeader& h = parsed.header;
  if (header.size() != sizeof(h))
    return InvalidArgument("result header of {} bytes, not {}", header.size(), sizeof(h));
  std::memcpy(&h, header.data(), sizeof(h));
  if (h.magic != ResultHeader::kMagic || h.version != ResultHeader::kVersion ||
      h.code > static_cast<uint8_t>(ResultCode::kError)) {
    return InvalidArgument("not a result of version {}", static_cast<int>(ResultHeader::kVersion));
  }
  parsed.code = static_cast<ResultCode>(h.code);
  const uint32_t picks = h.picks, hidden = h.hidden;
  const uint64_t answer_bytes = uint64_t{picks} * hidden * sizeof(float);
  bool fits = payload.empty();
  if (parsed.code == ResultCode::kOk) {
    fits = picks <= kMaxMessagePicks && hidden <= kMaxHidden && payload.size() == answer_bytes;
  }
  if (parsed.code == ResultCode::kError) fits = payload.size() <= kMaxText;
  if (parsed.code == ResultCode::kNotHosted) {
    fits = payload.size() <= kMaxMessagePicks * sizeof(uint32_t) &&
           payload.size() % sizeof(uint32_t) == 0;
  }
  if (!fits) {
    return InvalidArgument("result with code {} of {} picks of {} has {} bytes", int{h.code}, picks,
                           hidden, payload.size());
  }
  if (h.digest != Digest(payload.data(), payload.size())) return DataLoss("result is damaged");
  if (parsed.code == ResultCode::kOk) parsed.rows = payload;
  if (parsed.code == ResultCode::kError) {
    parsed.text.assign(reinterpret_cast<const char*>(payload.data()), payload.size());
  }
  if (parsed.code == ResultCode::kNotHosted && !payload.empty()) {
    parsed.missing.resize(payload.size() / sizeof(uint32_t));
    std::memcpy(parsed.missing.data(), payload.data(), payload.size());
  }
  return parsed;
}

DispatchMessage BuildDispatch(const RoutedRows& rows, std::span<const uint32_t> chosen) {
  const size_t row_bytes = static_cast<size_t>(rows.hidden) * ActivationBytes(rows.mode);
  uint32_t distinct = 0;
  for (size_t i = 0; i < chosen.size(); ++i) {
    distinct += i == 0 || rows.picks[chosen[i]].row != rows.picks[chosen[i - 1]].row;
  }
  DispatchMessage message;
  message.payload.resize(chosen.size() * sizeof(ExpertPick) + distinct * row_bytes);
  uint8_t* pick_out = message.payload.data();
  uint8_t* row_out = pick_out + chosen.size() * sizeof(ExpertPick);
  uint32_t row = 0;  // rows written so far
  for (size_t i = 0; i < chosen.size(); ++i) {
    const ExpertPick from = rows.picks[chosen[i]];
    if (i == 0 || from.row != rows.picks[chosen[i - 1]].row) {
      std::memcpy(row_out + row * row_bytes,
                  static_cast<const uint8_t*>(rows.rows) + from.row * row_bytes, row_bytes);
      ++row;
    }
    const ExpertPick pick = {row - 1, from.expert};
    std::memcpy(pick_out + i * sizeof(pick), &pick, sizeof(pick));
  }
  DispatchHeader& h = message.header;
  h.mode = static_cast<uint8_t>(rows.mode);
  h.layer = static_cast<uint32_t>(rows.layer);
  h.rows = distinct;
  h.picks = static_cast<uint32_t>(chosen.size());
  h.hidden = static_cast<uint32_t>(rows.hidden);
  h.digest = Digest(message.payload.data(), message.payload.size());
  return message;
}

}  // namespace conclave
