#include "common/transport/handler_table.h"

#include <utility>

#include "common/base/check.h"

namespace conclave {

void HandlerTable::Set(Channel channel, MessageHandler handler) {
  const int index = static_cast<int>(channel);
  CONCLAVE_CHECK(index < kChannels);
  auto entry = handler ? std::make_shared<MessageHandler>(std::move(handler)) : nullptr;
  MutexLock lock(mu_);
  handlers_[index].swap(entry);
  while (running_ == index && runner_ != std::this_thread::get_id()) idle_.Wait(mu_);
}

bool HandlerTable::Deliver(uint8_t channel, const IncomingMessage& message) {
  if (channel >= kChannels) return false;
  std::shared_ptr<MessageHandler> handler;
  {
    MutexLock lock(mu_);
    handler = handlers_[channel];
    if (handler == nullptr) return false;
    running_ = channel;
    runner_ = std::this_thread::get_id();
  }
  (*handler)(message);
  handler.reset();  // what it captured dies before Set returns
  MutexLock lock(mu_);
  running_ = -1;
  idle_.NotifyAll();
  return true;
}

}  // namespace conclave
