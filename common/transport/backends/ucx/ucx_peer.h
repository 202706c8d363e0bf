// One peer of a UCX worker: its UCP endpoint, the handles that users got for it, and the messages
// that are on their way to it. Everything but the atomics belongs to the progress thread.
#pragma once

#include <ucp/api/ucp.h>

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "common/base/mutex.h"
#include "common/transport/frame.h"
#include "common/transport/transport.h"

namespace conclave {

inline constexpr unsigned kUcxFrameId = 1;  // active message id of every frame

// What one Transport::Connect gave its user. Handles of one peer share its UCP endpoint.
struct UcxHandle {
  explicit UcxHandle(Incarnation remote) : remote(remote) {}
  absl::Status Health() const;  // any thread

  const Incarnation remote;
  std::atomic<bool> closed{false}, lost{false};
  std::function<void(absl::Status)> on_lost;  // progress thread
};

// One message being sent. Its pieces are read until `done` was called.
struct UcxSend {
  std::shared_ptr<UcxHandle> handle;
  Channel channel;
  std::span<const uint8_t> header;
  std::vector<std::span<const uint8_t>> pieces;
  std::function<void(absl::Status)> done;
  uint64_t id = 0;
  uint64_t total = 0;  // payload bytes
  uint64_t cut = 0;    // payload bytes that are in frames
  bool all_cut = false;
  bool finished = false;  // `done` was called
  int frames_in_flight = 0;
  size_t piece = 0, piece_offset = 0;  // where the next frame begins
};

class UcxPeer;

// A frame in UCX's hands. It owns the bytes, so that UCX never looks at a caller's memory.
struct UcxFrame {
  FrameHeader header;
  std::vector<uint8_t> body;
  std::shared_ptr<UcxPeer> peer;
  std::shared_ptr<UcxSend> send;
};

struct UcxSendCounters {
  std::atomic<uint64_t> messages{0}, bytes{0}, peers_lost{0};
};

class UcxPeer : public std::enable_shared_from_this<UcxPeer> {
 public:
  UcxPeer(Incarnation self, Incarnation remote, std::string native,
          std::shared_ptr<UcxSendCounters> counters)
      : self_(self), remote_(remote), native_(std::move(native)), counters_(std::move(counters)) {}

  Incarnation remote() const { return remote_; }
  const std::string& native() const { return native_; }

  // Progress thread.
  absl::Status Open(ucp_worker_h worker);
  void Attach(std::shared_ptr<UcxHandle> handle) { handles_.push_back(std::move(handle)); }
  // Fails what the handle has on its way.
  void Detach(const std::shared_ptr<UcxHandle>& handle);
  void Enqueue(std::shared_ptr<UcxSend> send);
  // Hands frames to UCX, at most `budget`; true when it handed on any. Errors doom the peer.
  bool Pump(int budget, uint64_t* last_message);
  // Fails everything, tells the handles' on_lost (not when `quietly`), and closes the UCP endpoint
  // by force: returns UCX's request to wait for, or null. Idempotent.
  ucs_status_ptr_t Shut(const absl::Status& why, bool quietly);
  bool doomed() const { return doomed_; }
  const absl::Status& doom() const { return doom_; }
  bool wants_pump() const { return !unfinished_.empty() && !doomed_; }
  int frames_in_flight() const { return frames_in_flight_; }

 private:
  static constexpr int kWindow = 32;  // frames in UCX's hands: 2 MiB
  static void OnError(void* arg, ucp_ep_h endpoint, ucs_status_t status);
  static void OnFrameSent(void* request, ucs_status_t status, void* frame);
  std::shared_ptr<UcxSend> NextToCut();
  std::unique_ptr<UcxFrame> CutFrame(const std::shared_ptr<UcxSend>& send);
  void FrameEnded(UcxFrame& frame, ucs_status_t status);
  void Finish(UcxSend& send, absl::Status status);
  void Doom(absl::Status why);

  const Incarnation self_, remote_;
  const std::string native_;
  const std::shared_ptr<UcxSendCounters> counters_;
  std::vector<std::shared_ptr<UcxHandle>> handles_;
  ucp_ep_h endpoint_ = nullptr;
  bool doomed_ = false;
  absl::Status doom_;
  std::deque<std::shared_ptr<UcxSend>> unfinished_;
  int frames_in_flight_ = 0;
  std::vector<std::vector<uint8_t>> spare_;  // bodies of frames to reuse
};

}  // namespace conclave
