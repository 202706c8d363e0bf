// Server-streaming over gRPC's callback API, made safe: one write in flight, a bounded queue behind
// it, Finish once, cancellation told once. Callable from any thread.
#pragma once

#include <grpcpp/support/server_callback.h>

#include <deque>
#include <functional>
#include <optional>

#include "common/base/mutex.h"

namespace conclave {

// Deletes itself after OnDone. Owners keep a shared handle:
//
//   auto stream = ServerStream<Response>::Create(on_cancel);   // in the service method
//   ... stream->Write(r) / stream->Finish(status) from any thread ...
//   return stream->reactor();
template <typename Response>
class ServerStream : public std::enable_shared_from_this<ServerStream<Response>> {
 public:
  // `on_cancel` runs at most once, from a gRPC thread, when the client went away or its deadline
  // passed.
  static std::shared_ptr<ServerStream> Create(std::function<void()> on_cancel) {
    auto stream = std::shared_ptr<ServerStream>(new ServerStream(std::move(on_cancel)));
    stream->reactor_ = new Reactor(stream);
    return stream;
  }
  grpc::ServerWriteReactor<Response>* reactor() { return reactor_; }

  // False once the call is over or Finish was called; the message is dropped then.
  bool Write(Response message) {
    MutexLock lock(mu_);
    if (over_ || finish_.has_value()) return false;
    queue_.push_back(std::move(message));
    Pump();
    return true;
  }
  // After the queued messages went out. Later calls are ignored.
  void Finish(grpc::Status status) {
    MutexLock lock(mu_);
    if (over_ || finish_.has_value()) return;
    finish_ = std::move(status);
    Pump();
  }
  // Messages waiting behind the one in flight: producers that outrun a slow client look here.
  size_t queued() {
    MutexLock lock(mu_);
    return queue_.size();
  }

 private:
  class Reactor : public grpc::ServerWriteReactor<Response> {
   public:
    explicit Reactor(std::shared_ptr<ServerStream> stream) : stream_(std::move(stream)) {}
    void OnWriteDone(bool ok) override { stream_->WriteDone(ok); }
    void OnCancel() override { stream_->Cancelled(); }
    void OnDone() override {
      stream_->Over();
      delete this;
    }

   private:
    std::shared_ptr<ServerStream> stream_;
  };

  explicit ServerStream(std::function<void()> on_cancel) : on_cancel_(std::move(on_cancel)) {}

  // gRPC allows StartWrite and Finish under our lock: both only enqueue.
  void Pump() REQUIRES(mu_) {
    if (over_ || writing_ || finishing_) return;
    if (!queue_.empty()) {
      writing_ = true;
      in_flight_ = std::move(queue_.front());
      queue_.pop_front();
      reactor_->StartWrite(&in_flight_);
    } else if (finish_.has_value()) {
      finishing_ = true;
      reactor_->Finish(*finish_);
    }
  }
  void WriteDone(bool ok) {
    MutexLock lock(mu_);
    writing_ = false;
    if (!ok) {  // the stream is broken: nothing more can be written, it only has to be finished
      queue_.clear();
      if (!finish_.has_value())
        finish_ = grpc::Status(grpc::StatusCode::CANCELLED, "client went away");
    }
    Pump();
  }
  void Cancelled() {
    std::function<void()> callback;
    {
      MutexLock lock(mu_);
      queue_.clear();
      if (!finish_.has_value()) finish_ = grpc::Status(grpc::StatusCode::CANCELLED, "cancelled");
      callback = std::move(on_cancel_);
      on_cancel_ = nullptr;
      Pump();
    }
    if (callback) callback();
  }
  void Over() {
    MutexLock lock(mu_);
    over_ = true;
    queue_.clear();
    on_cancel_ = nullptr;
  }

  Mutex mu_;
  Reactor* reactor_ = nullptr;
  std::deque<Response> queue_ GUARDED_BY(mu_);
  Response in_flight_ GUARDED_BY(mu_);
  std::optional<grpc::Status> finish_ GUARDED_BY(mu_);
  std::function<void()> on_cancel_ GUARDED_BY(mu_);
  bool writing_ GUARDED_BY(mu_) = false;
  bool finishing_ GUARDED_BY(mu_) = false;
  bool over_ GUARDED_BY(mu_) = false;
};

}  // namespace conclave
