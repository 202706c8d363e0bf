// The data plane: framed messages between processes. One contract, several backends: backends/ucx
// (between processes) and backends/inproc (within one). Peers learn each other's addresses in a
// gRPC hello; the transport itself has no discovery.
//
// Facts of the wire that callers must know: a completed send is only local, so delivery is what the
// peer acknowledges in a message of its own; a frozen or partitioned peer raises no error, so every
// exchange needs its own deadline; messages between a pair may overtake each other.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "common/base/ids.h"
#include "common/base/status.h"

namespace conclave {

// Distinguishes the protocols that share a transport.
enum class Channel : uint8_t { kExpertDispatch = 1, kExpertResult = 2, kKvPush = 3 };

// A whole message as it arrived; the bytes are valid during the call of the handler only.
struct IncomingMessage {
  Incarnation from = 0;  // of the sender, as it introduced itself
  std::span<const uint8_t> header;
  std::span<const uint8_t> payload;
};

// Runs on the transport's progress thread: must not block and must not wait for other messages. May
// call anything of Transport and Endpoint but Stop.
using MessageHandler = std::function<void(const IncomingMessage&)>;

// One peer, seen from here. Thread-safe. Destroying the last reference closes it by force.
class Endpoint {
 public:
  virtual ~Endpoint() = default;
  // Sends one message: `header` (at most 4 KiB) and the concatenation of `pieces`, of any length
  // (cut into frames of at most 64 KiB and put together at the peer). The memory of header and
  // pieces must stay unchanged until `done` was called; `done` is called exactly once, from the
  // progress thread or from within Send, and says whether the bytes were handed on, not whether
  // they arrived. After an error the endpoint is broken for good.
  virtual void Send(Channel channel, std::span<const uint8_t> header,
                    std::span<const std::span<const uint8_t>> pieces,
                    std::function<void(absl::Status)> done) = 0;
  // Unavailable once the peer is known to be lost or Close was called.
  virtual absl::Status Health() const = 0;
  // Fails what is in flight (their `done` is called) and sends nothing more.
  virtual void Close() = 0;
};

struct TransportCounters {
  uint64_t messages_sent = 0, bytes_sent = 0;          // handed on whole; header and payload bytes
  uint64_t messages_received = 0, bytes_received = 0;  // given to a handler
  uint64_t dropped_frames = 0;                         // damaged, duplicate or out of bounds
  uint64_t dropped_messages =
      0;  // damaged, incomplete for too long, of a lost peer, or without a handler
  uint64_t peers_lost = 0;
};

// Thread-safe. Handlers must be set before the address is handed out.
class Transport {
 public:
  virtual ~Transport() = default;
  virtual Incarnation incarnation() const = 0;
  // Opaque bytes for a peer's Connect; they name the incarnation too.
  virtual std::string Address() const = 0;
  // Null removes the handler; messages without one are dropped and counted. After it returned no
  // call of the previous handler runs, unless SetHandler was called from within a handler.
  virtual void SetHandler(Channel channel, MessageHandler handler) = 0;
  // `on_lost` is called at most once, from the progress thread, when the peer is found dead; never
  // after Close. InvalidArgument when `address` is not one of this backend or is damaged,
  // Unavailable when it is known that nobody lives there.
  virtual absl::StatusOr<std::shared_ptr<Endpoint>> Connect(
      const std::string& address, std::function<void(absl::Status)> on_lost) = 0;
  // Stops the progress thread; no handler runs after it returned. Idempotent.
  virtual void Stop() = 0;
  virtual TransportCounters counters() const = 0;
};

}  // namespace conclave
