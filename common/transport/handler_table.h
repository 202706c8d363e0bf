// The handlers of one transport, by channel: what every backend shares of Transport::SetHandler.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <thread>

#include "common/base/mutex.h"
#include "common/transport/transport.h"

namespace conclave {

// Thread-safe; Deliver is called by one thread only, the progress thread.
class HandlerTable {
 public:
  // After it returned no call of the previous handler runs, unless called from within a handler.
  void Set(Channel channel, MessageHandler handler);
  // False when nobody handles the channel.
  bool Deliver(uint8_t channel, const IncomingMessage& message);

 private:
  static constexpr int kChannels = 8;
  Mutex mu_;
  CondVar idle_;
  std::array<std::shared_ptr<MessageHandler>, kChannels> handlers_ GUARDED_BY(mu_);
  int running_ GUARDED_BY(mu_) = -1;  // channel of the handler that runs now
  std::thread::id runner_ GUARDED_BY(mu_);
};

}  // namespace conclave
