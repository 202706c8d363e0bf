// The progress thread of one UCX transport. Other threads hand it commands; it sends, receives,
// delivers and sleeps in epoll on UCX's event descriptor and its own when there is nothing to do.
#pragma once

#include <atomic>
#include <deque>
#include <memory>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "common/base/mutex.h"
#include "common/transport/backends/ucx/ucx_context.h"
#include "common/transport/backends/ucx/ucx_peer.h"
#include "common/transport/frame_assembler.h"
#include "common/transport/handler_table.h"

namespace conclave {

class UcxWorker {
 public:
  UcxWorker(std::unique_ptr<UcxContext> context, Incarnation self, const UcxOptions& options);
  ~UcxWorker();
  absl::Status Start();
  // Fails what is on its way, closes every endpoint and joins the thread. Idempotent.
  void Stop();

  // Any thread. After Stop, sends fail at once. `native` is the peer's own address.
  void Open(std::shared_ptr<UcxHandle> handle, std::string native);
  void Send(std::shared_ptr<UcxSend> send);
  void Close(std::shared_ptr<UcxHandle> handle);

  HandlerTable& handlers() { return handlers_; }
  const std::string& address() const { return context_->address(); }
  const std::shared_ptr<UcxSendCounters>& send_counters() const { return send_counters_; }
  TransportCounters counters() const;

 private:
  enum class Verb { kOpen, kSend, kClose };
  struct Command {
    Verb verb;
    std::shared_ptr<UcxHandle> handle;
    std::shared_ptr<UcxSend> send;
    std::string native;
  };
  static ucs_status_t OnFrame(void* arg, const void* header, size_t header_bytes, void* body,
                              size_t body_bytes, const ucp_am_recv_param_t* param);

  void Submit(Command command);
  void RunOpen(const Command& command);
  UcxPeer* FindPeer(Incarnation remote);
  void Run();
  bool RunCommands(bool* stop);
  bool Progress();
  bool PumpPeers();
  void ReapPeers();
  void Tick(SteadyTime now);
  void Sleep();
  void ShutAll();
  void ShutPeer(const std::shared_ptr<UcxPeer>& peer, const absl::Status& why);

  std::unique_ptr<UcxContext> context_;
  const Incarnation self_;
  const std::chrono::microseconds spin_;
  HandlerTable handlers_;
  const std::shared_ptr<UcxSendCounters> send_counters_ = std::make_shared<UcxSendCounters>();
  std::thread thread_;
  int wake_fd_ = -1, epoll_fd_ = -1;

  Mutex mu_;
  bool stop_ GUARDED_BY(mu_) = false;
  bool stopped_ GUARDED_BY(mu_) = false;  // the thread takes no commands any more
  bool asleep_ GUARDED_BY(mu_) = false;   // the thread needs a write to wake_fd_
  std::deque<Command> commands_ GUARDED_BY(mu_);

  // Progress thread only.
  bool stopping_ = false;  // an own end is no loss of the peers
  std::unordered_map<Incarnation, std::shared_ptr<UcxPeer>>
      peers_;  // until lost: closed handles leave them
  struct Closing {
    std::shared_ptr<UcxPeer> peer;  // UCX may still call its error handler
    void* request;                  // null: the endpoint is closed
  };
  std::vector<Closing> closing_;  // until closed, and no frame is in UCX's hands
  FrameAssembler assembler_;
  SteadyTime next_tick_{};
  uint64_t last_message_ = 0;
  std::atomic<uint64_t> received_messages_{0}, received_bytes_{0}, unhandled_{0};
  std::atomic<uint64_t> dropped_frames_{0}, dropped_messages_{0};
};

}  // namespace conclave
