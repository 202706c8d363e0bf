// A thread that waits for network events on behalf of gRPC.
#pragma once

#include <grpcpp/completion_queue.h>

#include <thread>

namespace conclave {

// gRPC's blocking calls look at sockets only while one of them waits. In a process without a server
// nobody would complete a reconnect between failed calls but gRPC's own backup poll, every five
// seconds. Whoever owns channels owns one of these; it sleeps in epoll and takes part in no call.
class BackgroundPoller {
 public:
  BackgroundPoller()
      : thread_([this] {
          void* tag = nullptr;
          bool ok = false;
          while (queue_.Next(&tag, &ok)) {
          }
        }) {}
  ~BackgroundPoller() {
    queue_.Shutdown();
    thread_.join();
  }
  BackgroundPoller(const BackgroundPoller&) = delete;
  BackgroundPoller& operator=(const BackgroundPoller&) = delete;

 private:
  grpc::CompletionQueue queue_;
  std::thread thread_;
};

}  // namespace conclave
