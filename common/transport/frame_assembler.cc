#include "common/transport/frame_assembler.h"

#include <cstring>
#include <utility>

namespace conclave {

void FrameAssembler::Drop(Peer& peer, Partial& partial) {
  if (partial.dropped) return;
  ++dropped_messages_;
  peer.bytes -= static_cast<int64_t>(partial.payload.size());
  partial.dropped = true;
  partial.payload = {};
  partial.seen = {};
}

FrameAssembler::Partial* FrameAssembler::Accept(const FrameHeader& h, Peer& peer) {
  const auto known = peer.messages.find(h.message);
  if (known != peer.messages.end()) {
    Partial& partial = known->second;
    const bool fits = !partial.dropped && partial.payload.size() == h.total &&
                      partial.channel == h.channel && partial.header.size() == h.header_bytes &&
                      !partial.seen[h.offset / kFrameChunk];
    if (fits) return &partial;
    ++dropped_frames_;
    return nullptr;
  }
  if (static_cast<int>(peer.messages.size()) >= options_.max_messages_per_peer) {
    ++dropped_frames_;
    return nullptr;
  }
  Partial& partial = peer.messages[h.message];
  partial.channel = h.channel;
  if (h.total > static_cast<uint64_t>(options_.max_bytes_per_peer - peer.bytes)) {
    ++dropped_frames_;
    Drop(peer, partial);
    return nullptr;
  }
  partial.header.resize(h.header_bytes);
  partial.payload.resize(h.total);
  partial.missing = FrameCount(h.total);
  partial.seen.assign(partial.missing, false);
  peer.bytes += static_cast<int64_t>(h.total);
  return &partial;
}

void FrameAssembler::OnFrame(std::span<const uint8_t> header_bytes, std::span<const uint8_t> body,
                             SteadyTime now) {
  FrameHeader h;
  const FrameCheck check = CheckFrame(header_bytes, body, &h);
  if (check == FrameCheck::kForeign) {
    ++dropped_frames_;
    return;
  }
  if (check == FrameCheck::kGood && FrameCount(h.total) == 1) {
    return sink_(h.channel, {h.from, body.first(h.header_bytes), body.subspan(h.header_bytes)});
  }
  if (peers_.count(h.from) == 0 && static_cast<int>(peers_.size()) >= options_.max_peers) {
    ++dropped_frames_;
    return;
  }
  if (FrameCount(h.total) == 1) {  // damaged, and nothing else of it will come
    ++dropped_frames_;
    ++dropped_messages_;
    return;
  }
  Peer& peer = peers_[h.from];
  Partial* partial = Accept(h, peer);
  if (partial == nullptr) {
    if (const auto it = peer.messages.find(h.message); it != peer.messages.end())
      it->second.touched = now;
    return;
  }
  partial->touched = now;
  if (check == FrameCheck::kDamagedBody) {
    ++dropped_frames_;
    Drop(peer, *partial);
    return;
  }
  if (h.offset == 0) {
    std::memcpy(partial->header.data(), body.data(), h.header_bytes);
    body = body.subspan(h.header_bytes);
  }
  std::memcpy(partial->payload.data() + h.offset, body.data(), body.size());
  partial->seen[h.offset / kFrameChunk] = true;
  if (--partial->missing > 0) return;
  const Partial whole = std::move(*partial);
  peer.bytes -= static_cast<int64_t>(whole.payload.size());
  Erase(h.from, h.message);
  sink_(whole.channel, {h.from, whole.header, whole.payload});
}

void FrameAssembler::Erase(Incarnation from, uint64_t message) {
  Peer& peer = peers_[from];
  peer.messages.erase(message);
  if (peer.messages.empty()) peers_.erase(from);
}

void FrameAssembler::DropPeer(Incarnation from) {
  const auto it = peers_.find(from);
  if (it == peers_.end()) return;
  for (const auto& [id, partial] : it->second.messages) dropped_messages_ += !partial.dropped;
  peers_.erase(it);
}

void FrameAssembler::Expire(SteadyTime now) {
  for (auto peer = peers_.begin(); peer != peers_.end();) {
    auto& messages = peer->second.messages;
    for (auto it = messages.begin(); it != messages.end();) {
      if (now - it->second.touched < options_.expiry) {
        ++it;
        continue;
      }
      Drop(peer->second, it->second);
      it = messages.erase(it);
    }
    peer = messages.empty() ? peers_.erase(peer) : std::next(peer);
  }
}

}  // namespace conclave
