#include "common/remote_experts/remote_experts.h"

#include <unordered_map>
#include <utility>

#include "common/base/check.h"
#include "common/remote_experts/host_table.h"
#include "common/remote_experts/remote_call.h"
#include "common/remote_experts/wire.h"

namespace conclave {

struct RemoteExperts::Impl : std::enable_shared_from_this<RemoteExperts::Impl> {
  explicit Impl(Transport& transport) : transport(transport) {}

  void OnMessage(const IncomingMessage& message) {
    bytes_received += message.header.size() + message.payload.size();
    const auto result = ParseResult(message.header, message.payload);
    const auto call = result.ok() ? Find(result->header.call) : nullptr;
    if (call == nullptr) {
      ++context->stale_results;
      return;
    }
    call->OnResult(message.from, *result);
  }

  std::shared_ptr<RemoteCall> Find(uint64_t id) {
    MutexLock lock(mu);
    const auto it = calls.find(id);
    return it == calls.end() ? nullptr : it->second;
  }

  std::vector<std::shared_ptr<RemoteCall>> AllCalls() {
    std::vector<std::shared_ptr<RemoteCall>> all;
    MutexLock lock(mu);
    for (const auto& [id, call] : calls) all.push_back(call);
    return all;
  }

  std::shared_ptr<RemoteCall> Register(const RoutedRows& rows, float* out) {
    MutexLock lock(mu);
    const uint64_t id = ++last_call;
    return calls[id] = std::make_shared<RemoteCall>(context, id, rows, out);
  }

  void Unregister(uint64_t id) {
    MutexLock lock(mu);
    calls.erase(id);
  }

  Transport& transport;
  std::shared_ptr<CallContext> context = std::make_shared<CallContext>();
  std::atomic<uint64_t> dispatches{0}, bytes_received{0};
  Mutex mu;
  uint64_t last_call GUARDED_BY(mu) = 0;
  std::unordered_map<uint64_t, std::shared_ptr<RemoteCall>> calls GUARDED_BY(mu);
};

namespace {

absl::Status CheckRows(const RoutedRows& rows) {
  if (rows.layer < 0 || static_cast<uint32_t>(rows.layer) >= kMaxLayer || rows.hidden <= 0 ||
      static_cast<uint32_t>(rows.hidden) > kMaxHidden || rows.num_rows < 0) {
    return InvalidArgument("routed rows out of bounds: layer {}, {} rows of {}", rows.layer,
                           rows.num_rows, rows.hidden);
  }
  for (size_t i = 0; i < rows.picks.size(); ++i) {
    const ExpertPick pick = rows.picks[i];
    const bool ascending =
        i == 0 || rows.picks[i - 1].row < pick.row ||
        (rows.picks[i - 1].row == pick.row && rows.picks[i - 1].expert < pick.expert);
    if (pick.row >= static_cast<uint32_t>(rows.num_rows) || pick.expert >= kMaxExpert ||
        !ascending) {
      return InvalidArgument(
          "pick {} of layer {} is (row {} of {}, expert {}): out of bounds or order", i, rows.layer,
          pick.row, rows.num_rows, pick.expert);
    }
  }
  return absl::OkStatus();
}

}  // namespace

// The caller's side of one call; ends it on every path.
class RemoteExpertCall : public ExpertCall {
 public:
  RemoteExpertCall(std::shared_ptr<RemoteCall> call, std::function<void()> unregister)
      : call_(std::move(call)), unregister_(std::move(unregister)) {}
  ~RemoteExpertCall() override { End(); }

  absl::Status Wait() override {
    absl::Status status = call_->Wait();
    End();
    return status;
  }

 private:
  void End() {
    call_->Finish();
    if (unregister_) std::exchange(unregister_, nullptr)();
  }
  const std::shared_ptr<RemoteCall> call_;
  std::function<void()> unregister_;
};

RemoteExperts::RemoteExperts(Transport& transport, ExpertPeerConnector& connector,
                             const RemoteExpertsOptions& options)
    : impl_(std::make_shared<Impl>(transport)) {
  CallContext& context = *impl_->context;
  context.self = transport.incarnation();
  context.options = options;
  HostTable::Events events;
  events.changed = [weak = std::weak_ptr<Impl>(impl_)] {
    const auto impl = weak.lock();
    if (impl == nullptr) return;
    for (const auto& call : impl->AllCalls()) call->OnHostsChanged();
  };
  events.lost = [weak = std::weak_ptr<Impl>(impl_)](const ExpertHost& host, uint64_t connection) {
    const auto impl = weak.lock();
    if (impl == nullptr) return;
    for (const auto& call : impl->AllCalls()) call->OnHostLost(host, connection);
  };
  context.hosts = std::make_shared<HostTable>(connector, options, std::move(events));
  context.hosts->Start();
  transport.SetHandler(Channel::kExpertResult,
                       [impl = impl_.get()](const IncomingMessage& m) { impl->OnMessage(m); });
}

RemoteExperts::~RemoteExperts() {
  impl_->transport.SetHandler(Channel::kExpertResult, nullptr);
  impl_->context->hosts->Stop();
  MutexLock lock(impl_->mu);
  CONCLAVE_CHECK(impl_->calls.empty());
}

void RemoteExperts::SetPlacement(std::shared_ptr<const PlacementMap> map) {
  impl_->context->hosts->SetPlacement(std::move(map));
}

uint64_t RemoteExperts::epoch() const { return impl_->context->hosts->epoch(); }

absl::Status RemoteExperts::Ready() const { return impl_->context->hosts->Ready(); }

absl::StatusOr<std::unique_ptr<ExpertCall>> RemoteExperts::Dispatch(const RoutedRows& rows,
                                                                    float* out) {
  RETURN_IF_ERROR(CheckRows(rows));
  ++impl_->dispatches;
  auto call = impl_->Register(rows, out);
  auto handle = std::make_unique<RemoteExpertCall>(
      call, [impl = impl_, id = call->id()] { impl->Unregister(id); });
  call->Start();
  return handle;
}

RemoteExperts::Counters RemoteExperts::counters() const {
  const CallContext& context = *impl_->context;
  Counters counters;
  counters.dispatches = impl_->dispatches;
  counters.rows = context.rows;
  counters.bytes_sent = context.bytes_sent;
  counters.bytes_received = impl_->bytes_received;
  counters.retries_lost = context.retries_lost;
  counters.retries_late = context.retries_late;
  counters.retries_not_hosted = context.retries_not_hosted;
  counters.retries_busy = context.retries_busy;
  counters.stale_results = context.stale_results;
  return counters;
}

}  // namespace conclave
