#include "common/transport/backends/ucx/ucx_worker.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "common/base/check.h"
#include "common/base/log.h"

namespace conclave {
namespace {

constexpr int kProgressBurst = 256;  // events before commands are looked at again
constexpr int kPumpBudget = 16;      // frames of one peer before the next one's turn
constexpr std::chrono::milliseconds kTick{1000};
constexpr std::chrono::milliseconds kCloseTick{10};
constexpr std::chrono::milliseconds kCloseLimit{2000};

absl::Status Stopped() { return Unavailable("the transport was stopped"); }

}  // namespace

UcxWorker::UcxWorker(std::unique_ptr<UcxContext> context, Incarnation self,
                     const UcxOptions& options)
    : context_(std::move(context)),
      self_(self),
      spin_(options.spin_us),
      assembler_({.max_bytes_per_peer = options.max_partial_bytes_per_peer},
                 [this](uint8_t channel, const IncomingMessage& message) {
                   if (!handlers_.Deliver(channel, message)) {
                     ++unhandled_;
                     return;
                   }
                   ++received_messages_;
                   received_bytes_ += message.header.size() + message.payload.size();
                 }) {}

UcxWorker::~UcxWorker() {
  Stop();
  if (wake_fd_ >= 0) close(wake_fd_);
  if (epoll_fd_ >= 0) close(epoll_fd_);
}

absl::Status UcxWorker::Start() {
  wake_fd_ = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  epoll_fd_ = epoll_create1(EPOLL_CLOEXEC);
  if (wake_fd_ < 0 || epoll_fd_ < 0)
    return Unavailable("no event descriptors: {}", std::strerror(errno));
  for (const int fd : {wake_fd_, context_->event_fd()}) {
    epoll_event event = {};
    event.events = EPOLLIN;
    event.data.fd = fd;
    if (epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, fd, &event) != 0)
      return Unavailable("epoll: {}", std::strerror(errno));
  }
  ucp_am_handler_param_t handler = {};
  handler.field_mask = UCP_AM_HANDLER_PARAM_FIELD_ID | UCP_AM_HANDLER_PARAM_FIELD_FLAGS |
                       UCP_AM_HANDLER_PARAM_FIELD_CB | UCP_AM_HANDLER_PARAM_FIELD_ARG;
  handler.id = kUcxFrameId;
  handler.flags = UCP_AM_FLAG_WHOLE_MSG;
  handler.cb = &UcxWorker::OnFrame;
  handler.arg = this;
  const ucs_status_t status = ucp_worker_set_am_recv_handler(context_->worker(), &handler);
  if (status != UCS_OK)
    return Unavailable("UCX: no active message handler: {}", ucs_status_string(status));
  thread_ = std::thread([this] { Run(); });
  return absl::OkStatus();
}

void UcxWorker::Stop() {
  CONCLAVE_CHECK(thread_.get_id() != std::this_thread::get_id());
  {
    MutexLock lock(mu_);
    stop_ = true;
  }
  const uint64_t one = 1;
  if (wake_fd_ >= 0 && write(wake_fd_, &one, sizeof(one)) < 0) LogError("eventfd write failed");
  if (thread_.joinable()) thread_.join();
}

void UcxWorker::Submit(Command command) {
  bool wake = false;
  {
    MutexLock lock(mu_);
    if (!stopped_) {
      commands_.push_back(std::move(command));
      wake = std::exchange(asleep_, false);
      command.send = nullptr;
    }
  }
  if (command.send != nullptr) return command.send->done(Stopped());
  const uint64_t one = 1;
  if (wake && write(wake_fd_, &one, sizeof(one)) < 0) LogError("eventfd write failed");
}

void UcxWorker::Open(std::shared_ptr<UcxHandle> handle, std::string native) {
  Submit({Verb::kOpen, std::move(handle), nullptr, std::move(native)});
}

void UcxWorker::Send(std::shared_ptr<UcxSend> send) {
  auto handle = send->handle;
  Submit({Verb::kSend, std::move(handle), std::move(send), {}});
}

void UcxWorker::Close(std::shared_ptr<UcxHandle> handle) {
  if (handle->closed.exchange(true)) return;
  Submit({Verb::kClose, std::move(handle), nullptr, {}});
}

UcxPeer* UcxWorker::FindPeer(Incarnation remote) {
  const auto it = peers_.find(remote);
  return it == peers_.end() ? nullptr : it->second.get();
}

void UcxWorker::RunOpen(const Command& command) {
  const Incarnation remote = command.handle->remote;
  if (const auto it = peers_.find(remote); it != peers_.end()) {
    if (!it->second->doomed() && it->second->native() == command.native)
      return it->second->Attach(command.handle);
    ShutPeer(it->second, Unavailable("peer {:016x} was lost or has another address now", remote));
  }
  auto peer = std::make_shared<UcxPeer>(self_, remote, command.native, send_counters_);
  peer->Attach(command.handle);
  peers_[remote] = peer;
  // A failure dooms the peer; ReapPeers tells its user.
  if (const absl::Status status = peer->Open(context_->worker()); !status.ok()) {
    LogDebug("endpoint not opened", {{"error", Message(status)}});
  }
}

ucs_status_t UcxWorker::OnFrame(void* arg, const void* header, size_t header_bytes, void* body,
                                size_t body_bytes, const ucp_am_recv_param_t* param) {
  auto* worker = static_cast<UcxWorker*>(arg);
  if (param->recv_attr & UCP_AM_RECV_ATTR_FLAG_RNDV) {  // nobody here sends that way
    ++worker->unhandled_;
    return UCS_OK;
  }
  worker->assembler_.OnFrame({static_cast<const uint8_t*>(header), header_bytes},
                             {static_cast<const uint8_t*>(body), body_bytes}, Now());
  return UCS_OK;
}

bool UcxWorker::RunCommands(bool* stop) {
  std::deque<Command> commands;
  {
    MutexLock lock(mu_);
    *stop = stop_;
    commands.swap(commands_);
  }
  for (Command& command : commands) {
    if (command.verb == Verb::kOpen) {
      RunOpen(command);
      continue;
    }
    UcxPeer* peer = FindPeer(command.handle->remote);
    if (command.verb == Verb::kClose) {
      if (peer != nullptr) peer->Detach(command.handle);
      command.handle->on_lost = nullptr;
    } else if (peer != nullptr) {
      peer->Enqueue(std::move(command.send));
    } else {
      command.send->done(Unavailable("peer {:016x} was lost", command.handle->remote));
    }
  }
  return !commands.empty();
}

bool UcxWorker::Progress() {
  int events = 0;
  while (events < kProgressBurst && ucp_worker_progress(context_->worker()) != 0) ++events;
  return events > 0;
}

bool UcxWorker::PumpPeers() {
  bool any = false;
  for (const auto& [remote, peer] : peers_) {
    if (peer->wants_pump()) any |= peer->Pump(kPumpBudget, &last_message_);
  }
  return any;
}

void UcxWorker::ShutPeer(const std::shared_ptr<UcxPeer>& peer, const absl::Status& why) {
  const std::shared_ptr<UcxPeer> kept = peer;  // may be the map's own reference
  const auto it = peers_.find(peer->remote());
  if (it == peers_.end() || it->second != kept) return;
  peers_.erase(it);
  if (!stopping_) ++send_counters_->peers_lost;
  assembler_.DropPeer(kept->remote());
  closing_.push_back({kept, kept->Shut(why, stopping_)});
}

void UcxWorker::ReapPeers() {
  std::vector<std::shared_ptr<UcxPeer>> doomed;
  for (const auto& [remote, peer] : peers_) {
    if (peer->doomed()) doomed.push_back(peer);
  }
  for (const auto& peer : doomed) ShutPeer(peer, absl::Status(peer->doom()));
  std::erase_if(closing_, [](Closing& closing) {
    if (closing.request != nullptr && ucp_request_check_status(closing.request) != UCS_INPROGRESS) {
      ucp_request_free(std::exchange(closing.request, nullptr));
    }
    return closing.request == nullptr && closing.peer->frames_in_flight() == 0;
  });
}

void UcxWorker::Tick(SteadyTime now) {
  dropped_frames_ = assembler_.dropped_frames();
  dropped_messages_ = assembler_.dropped_messages();
  if (now < next_tick_) return;
  next_tick_ = now + kTick;
  assembler_.Expire(now);
}

void UcxWorker::Sleep() {
  {
    MutexLock lock(mu_);
    if (stop_ || !commands_.empty()) return;
    asleep_ = true;
  }
  if (ucp_worker_arm(context_->worker()) == UCS_OK) {
    auto limit = std::chrono::milliseconds(-1);
    if (assembler_.pending()) limit = kTick;
    if (!closing_.empty()) limit = kCloseTick;
    epoll_event events[2];
    const int count = epoll_wait(epoll_fd_, events, 2, static_cast<int>(limit.count()));
    for (int i = 0; i < count; ++i) {
      uint64_t drained;
      if (events[i].data.fd == wake_fd_ && read(wake_fd_, &drained, sizeof(drained)) < 0) continue;
    }
  }
  MutexLock lock(mu_);
  asleep_ = false;
}

void UcxWorker::Run() {
  SteadyTime last_active = Now();
  while (true) {
    bool stop = false;
    bool active = RunCommands(&stop);
    if (stop) break;
    active |= Progress();
    active |= PumpPeers();
    ReapPeers();
    const SteadyTime now = Now();
    Tick(now);
    if (active) {
      last_active = now;
    } else if (now - last_active >= spin_) {
      Sleep();
    }
  }
  ShutAll();
}

void UcxWorker::ShutAll() {
  std::deque<Command> commands;
  {
    MutexLock lock(mu_);
    stopped_ = true;
    commands.swap(commands_);
  }
  for (Command& command : commands) {
    if (command.send != nullptr) command.send->done(Stopped());
  }
  stopping_ = true;
  while (!peers_.empty()) ShutPeer(peers_.begin()->second, Stopped());
  const SteadyTime limit = After(kCloseLimit);
  while (!closing_.empty() && Now() < limit) {
    if (!Progress()) std::this_thread::sleep_for(std::chrono::microseconds(200));
    ReapPeers();
  }
  if (closing_.empty()) {
    context_.reset();
    return;
  }
  LogWarning("endpoints did not close in time; their worker is left behind",
             {{"endpoints", closing_.size()}});
  context_->Abandon();
}

TransportCounters UcxWorker::counters() const {
  TransportCounters counters;
  counters.messages_sent = send_counters_->messages;
  counters.bytes_sent = send_counters_->bytes;
  counters.peers_lost = send_counters_->peers_lost;
  counters.messages_received = received_messages_;
  counters.bytes_received = received_bytes_;
  counters.dropped_frames = dropped_frames_;
  counters.dropped_messages = dropped_messages_ + unhandled_;
  return counters;
}

}  // namespace conclave
