#include "common/transport/backends/ucx/ucx_transport.h"

#include <utility>

#include "common/transport/address.h"
#include "common/transport/backends/ucx/ucx_context.h"
#include "common/transport/backends/ucx/ucx_peer.h"
#include "common/transport/backends/ucx/ucx_worker.h"

namespace conclave {
namespace {

class UcxEndpoint : public Endpoint {
 public:
  UcxEndpoint(std::shared_ptr<UcxWorker> worker, std::shared_ptr<UcxHandle> handle)
      : worker_(std::move(worker)), handle_(std::move(handle)) {}
  ~UcxEndpoint() override { Close(); }

  void Send(Channel channel, std::span<const uint8_t> header,
            std::span<const std::span<const uint8_t>> pieces,
            std::function<void(absl::Status)> done) override {
    if (header.size() > kMaxHeaderBytes) {
      return done(InvalidArgument("message header of {} bytes, the limit is {}", header.size(),
                                  kMaxHeaderBytes));
    }
    if (absl::Status status = handle_->Health(); !status.ok()) return done(std::move(status));
    auto send = std::make_shared<UcxSend>();
    send->handle = handle_;
    send->channel = channel;
    send->header = header;
    send->pieces.assign(pieces.begin(), pieces.end());
    send->done = std::move(done);
    for (const auto& piece : pieces) send->total += piece.size();
    worker_->Send(std::move(send));
  }

  absl::Status Health() const override { return handle_->Health(); }
  void Close() override { worker_->Close(handle_); }

 private:
  const std::shared_ptr<UcxWorker> worker_;
  const std::shared_ptr<UcxHandle> handle_;
};

class UcxTransport : public Transport {
 public:
  UcxTransport(std::shared_ptr<UcxWorker> worker, Incarnation incarnation)
      : worker_(std::move(worker)),
        incarnation_(incarnation),
        address_(EncodeAddress({TransportKind::kUcx, incarnation, worker_->address()})) {}
  ~UcxTransport() override { Stop(); }

  Incarnation incarnation() const override { return incarnation_; }
  std::string Address() const override { return address_; }
  void SetHandler(Channel channel, MessageHandler handler) override {
    worker_->handlers().Set(channel, std::move(handler));
  }
  absl::StatusOr<std::shared_ptr<Endpoint>> Connect(
      const std::string& address, std::function<void(absl::Status)> on_lost) override {
    ASSIGN_OR_RETURN(TransportAddress decoded, DecodeAddress(address, TransportKind::kUcx));
    auto handle = std::make_shared<UcxHandle>(decoded.incarnation);
    handle->on_lost = std::move(on_lost);
    worker_->Open(handle, std::move(decoded.native));
    return std::make_shared<UcxEndpoint>(worker_, std::move(handle));
  }
  void Stop() override { worker_->Stop(); }
  TransportCounters counters() const override { return worker_->counters(); }

 private:
  const std::shared_ptr<UcxWorker> worker_;
  const Incarnation incarnation_;
  const std::string address_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Transport>> MakeUcxTransport(const UcxOptions& options) {
  ASSIGN_OR_RETURN(auto context, UcxContext::Create(options));
  const Incarnation incarnation = options.incarnation != 0 ? options.incarnation : RandomId();
  auto worker = std::make_shared<UcxWorker>(std::move(context), incarnation, options);
  RETURN_IF_ERROR(worker->Start());
  return std::make_unique<UcxTransport>(std::move(worker), incarnation);
}

}  // namespace conclave
