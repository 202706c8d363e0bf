// Puts messages together from frames that arrive in any order, within bounded memory per sender.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <unordered_map>
#include <vector>

#include "common/base/clock.h"
#include "common/transport/frame.h"
#include "common/transport/transport.h"

namespace conclave {

struct AssemblerOptions {
  int64_t max_bytes_per_peer = 256ll << 20;  // payload bytes of incomplete messages
  int max_messages_per_peer = 4096;          // incomplete ones
  int max_peers = 1024;                      // with incomplete messages
  std::chrono::milliseconds expiry{30000};   // without a new frame
};

// Not thread-safe: lives on the progress thread. Time is an argument.
class FrameAssembler {
 public:
  using Sink = std::function<void(uint8_t channel, const IncomingMessage&)>;
  FrameAssembler(const AssemblerOptions& options, Sink sink)
      : options_(options), sink_(std::move(sink)) {}

  // Gives the message to the sink when this frame completes it; one of a single frame without a
  // copy.
  void OnFrame(std::span<const uint8_t> header, std::span<const uint8_t> body, SteadyTime now);
  // Forgets what `from` has begun.
  void DropPeer(Incarnation from);
  // Forgets what nobody continued; call it now and then while `pending`.
  void Expire(SteadyTime now);
  bool pending() const { return !peers_.empty(); }

  uint64_t dropped_frames() const { return dropped_frames_; }
  uint64_t dropped_messages() const { return dropped_messages_; }

 private:
  struct Partial {
    bool dropped = false;  // a tombstone: its other frames are of no use
    uint8_t channel = 0;
    std::vector<uint8_t> header, payload;
    std::vector<bool> seen;  // by frame
    uint64_t missing = 0;
    SteadyTime touched{};
  };
  struct Peer {
    std::unordered_map<uint64_t, Partial> messages;
    int64_t bytes = 0;
  };
  void Drop(Peer& peer, Partial& partial);
  // Null when the frame is not wanted (counted).
  Partial* Accept(const FrameHeader& header, Peer& peer);
  void Erase(Incarnation from, uint64_t message);

  const AssemblerOptions options_;
  const Sink sink_;
  std::unordered_map<Incarnation, Peer> peers_;  // with incomplete messages
  uint64_t dropped_frames_ = 0, dropped_messages_ = 0;
};

}  // namespace conclave
