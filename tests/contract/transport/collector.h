// Collects what arrives or completes, and waits for it with a bound.
#pragma once

#include <cstring>
#include <vector>

#include "common/base/clock.h"
#include "common/base/digest.h"
#include "common/base/mutex.h"
#include "common/transport/transport.h"

namespace conclave {

inline constexpr std::chrono::milliseconds kTestPatience{30000};

struct Received {
  Incarnation from;
  std::vector<uint8_t> header, payload;
};

// Thread-safe.
class Inbox {
 public:
  MessageHandler Handler() {
    return [this](const IncomingMessage& m) {
      MutexLock lock(mu_);
      messages_.push_back(
          {m.from, {m.header.begin(), m.header.end()}, {m.payload.begin(), m.payload.end()}});
      changed_.NotifyAll();
    };
  }
  // Everything so far, once there are at least `count`; fewer when patience ended.
  std::vector<Received> Await(size_t count) {
    const SteadyTime deadline = After(kTestPatience);
    MutexLock lock(mu_);
    while (messages_.size() < count && Now() < deadline) changed_.WaitUntil(mu_, deadline);
    return messages_;
  }

 private:
  Mutex mu_;
  CondVar changed_;
  std::vector<Received> messages_ GUARDED_BY(mu_);
};

// Thread-safe. One slot per expected call; counts how often each was made.
class Outcomes {
 public:
  std::function<void(absl::Status)> Next() {
    MutexLock lock(mu_);
    calls_.push_back(0);
    statuses_.emplace_back();
    return [this, index = calls_.size() - 1](absl::Status status) {
      MutexLock lock(mu_);
      ++calls_[index];
      statuses_[index] = std::move(status);
      changed_.NotifyAll();
    };
  }
  // The statuses once every slot was called; false in `complete` when patience ended.
  std::vector<absl::Status> Await(bool* complete) {
    const SteadyTime deadline = After(kTestPatience);
    MutexLock lock(mu_);
    while (!AllCalled() && Now() < deadline) changed_.WaitUntil(mu_, deadline);
    *complete = AllCalled();
    return statuses_;
  }
  bool NoneCalledTwice() {
    MutexLock lock(mu_);
    for (const int calls : calls_) {
      if (calls > 1) return false;
    }
    return true;
  }

 private:
  bool AllCalled() REQUIRES(mu_) {
    for (const int calls : calls_) {
      if (calls == 0) return false;
    }
    return true;
  }
  Mutex mu_;
  CondVar changed_;
  std::vector<int> calls_ GUARDED_BY(mu_);
  std::vector<absl::Status> statuses_ GUARDED_BY(mu_);
};

inline std::vector<uint8_t> Pattern(size_t bytes, uint64_t seed) {
  std::vector<uint8_t> data(bytes);
  uint64_t state = seed * 0x9e3779b97f4a7c15ull + 1;
  for (size_t i = 0; i < bytes; ++i) {
    if (i % 8 == 0) state = state * 6364136223846793005ull + 1442695040888963407ull;
    data[i] = static_cast<uint8_t>(state >> (8 * (i % 8)));
  }
  return data;
}

// Sends bytes that stay alive until their completion.
inline void SendBytes(Endpoint& to, Channel channel, std::vector<uint8_t> header,
                      std::vector<uint8_t> payload, std::function<void(absl::Status)> done) {
  struct Owned {
    std::vector<uint8_t> header, payload;
  };
  auto owned = std::make_shared<Owned>(Owned{std::move(header), std::move(payload)});
  const std::span<const uint8_t> piece(owned->payload);
  to.Send(channel, owned->header, {&piece, 1},
          [owned, done = std::move(done)](absl::Status status) {
            if (done) done(std::move(status));
          });
}

// Answers every dispatch with its own bytes on the result channel, from within the handler.
inline MessageHandler Echo(std::shared_ptr<Endpoint> to) {
  return [to = std::move(to)](const IncomingMessage& m) {
    SendBytes(*to, Channel::kExpertResult, {m.header.begin(), m.header.end()},
              {m.payload.begin(), m.payload.end()}, nullptr);
  };
}

}  // namespace conclave
