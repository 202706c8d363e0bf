#include "common/transport/backends/inproc/inproc_transport.h"

#include <atomic>
#include <utility>

#include "common/transport/address.h"
#include "common/transport/backends/inproc/inproc_core.h"

namespace conclave {
namespace {

constexpr size_t kMaxHeaderBytes = 4096;

struct SentCounters {
  std::atomic<uint64_t> messages{0}, bytes{0}, lost{0};
};

class InprocEndpoint : public Endpoint {
 public:
  InprocEndpoint(std::shared_ptr<InprocLink> link, std::shared_ptr<SentCounters> sent)
      : link_(std::move(link)), sent_(std::move(sent)) {}
  ~InprocEndpoint() override { Close(); }

  void Send(Channel channel, std::span<const uint8_t> header,
            std::span<const std::span<const uint8_t>> pieces,
            std::function<void(absl::Status)> done) override {
    if (header.size() > kMaxHeaderBytes) {
      return done(InvalidArgument("message header of {} bytes, the limit is {}", header.size(),
                                  kMaxHeaderBytes));
    }
    uint64_t bytes = header.size();
    for (const auto& piece : pieces) bytes += piece.size();
    link_->to->Enqueue(link_, channel, header, pieces,
                       [sent = sent_, bytes, done = std::move(done)](absl::Status status) {
                         if (status.ok()) ++sent->messages, sent->bytes += bytes;
                         done(std::move(status));
                       });
  }

  absl::Status Health() const override {
    if (link_->closed)
      return Unavailable("endpoint to in-process peer {:016x} was closed",
                         link_->to->incarnation());
    if (link_->lost)
      return Unavailable("in-process peer {:016x} has stopped", link_->to->incarnation());
    return absl::OkStatus();
  }

  void Close() override { link_->to->CloseIncoming(*link_); }

 private:
  const std::shared_ptr<InprocLink> link_;
  const std::shared_ptr<SentCounters> sent_;
};

class InprocTransport : public Transport {
 public:
  InprocTransport(std::shared_ptr<InprocHub> hub, const InprocOptions& options)
      : hub_(std::move(hub)),
        core_(std::make_shared<InprocCore>(
            options.incarnation != 0 ? options.incarnation : RandomId(),
            options.max_queued_bytes)) {
    core_->Start();
    hub_->Add(core_);
  }
  ~InprocTransport() override { Stop(); }

  Incarnation incarnation() const override { return core_->incarnation(); }
  std::string Address() const override {
    return EncodeAddress({TransportKind::kInproc, core_->incarnation(), ""});
  }
  void SetHandler(Channel channel, MessageHandler handler) override {
    core_->handlers().Set(channel, std::move(handler));
  }

  absl::StatusOr<std::shared_ptr<Endpoint>> Connect(
      const std::string& address, std::function<void(absl::Status)> on_lost) override {
    ASSIGN_OR_RETURN(const TransportAddress decoded,
                     DecodeAddress(address, TransportKind::kInproc));
    auto link = std::make_shared<InprocLink>();
    link->from = core_;
    link->to = hub_->Find(decoded.incarnation);
    if (link->to == nullptr) {
      return Unavailable("no transport with incarnation {:016x} lives in this process",
                         decoded.incarnation);
    }
    {
      MutexLock lock(link->mu);
      link->on_lost = [sent = sent_, on_lost = std::move(on_lost)](absl::Status status) {
        ++sent->lost;
        if (on_lost) on_lost(std::move(status));
      };
    }
    if (!link->to->AddIncoming(link)) {
      return Unavailable("in-process peer {:016x} has stopped", decoded.incarnation);
    }
    core_->AddOutgoing(link);
    return std::make_shared<InprocEndpoint>(std::move(link), sent_);
  }

  void Stop() override {
    hub_->Remove(core_->incarnation());
    core_->Stop();
  }

  TransportCounters counters() const override {
    TransportCounters counters = core_->counters();
    counters.messages_sent = sent_->messages;
    counters.bytes_sent = sent_->bytes;
    counters.peers_lost = sent_->lost;
    return counters;
  }

 private:
  const std::shared_ptr<InprocHub> hub_;
  const std::shared_ptr<InprocCore> core_;
  const std::shared_ptr<SentCounters> sent_ = std::make_shared<SentCounters>();
};

}  // namespace

std::shared_ptr<InprocHub> MakeInprocHub() { return std::make_shared<InprocHub>(); }

std::unique_ptr<Transport> MakeInprocTransport(std::shared_ptr<InprocHub> hub,
                                               const InprocOptions& options) {
  return std::make_unique<InprocTransport>(std::move(hub), options);
}

}  // namespace conclave
