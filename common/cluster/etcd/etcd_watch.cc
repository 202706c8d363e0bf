#include "common/cluster/etcd/etcd_watch.h"

#include <algorithm>
#include <utility>

#include "common/base/log.h"

namespace conclave {
namespace {

constexpr std::chrono::milliseconds kSnapshotTimeout{5000};
constexpr std::chrono::milliseconds kFirstPause{100};
constexpr std::chrono::milliseconds kLongestPause{2000};

StoreEvent ToEvent(const mvccpb::Event& event) {
  const bool put = event.type() == mvccpb::Event::PUT;
  return {put ? StoreEvent::Type::kPut : StoreEvent::Type::kDelete,
          {event.kv().key(), put ? event.kv().value() : "", event.kv().mod_revision()}};
}

}  // namespace

EtcdWatch::EtcdWatch(std::shared_ptr<EtcdClient> client, std::string prefix,
                     std::function<void(const StoreUpdate&)> on_update)
    : client_(std::move(client)), prefix_(std::move(prefix)), on_update_(std::move(on_update)) {
  thread_ = std::thread([this] { Run(); });
}

EtcdWatch::~EtcdWatch() {
  interrupt_.Stop();
  thread_.join();
}

void EtcdWatch::Run() {
  std::chrono::milliseconds pause = kFirstPause;
  bool told = false;  // that it is away; once per outage
  while (!interrupt_.stopped()) {
    bool synced = false;
    const absl::Status status = Follow(&synced);
    if (interrupt_.stopped()) return;
    if (synced) {
      pause = kFirstPause;
      told = false;
    }
    if (!told)
      LogWarning("etcd watch interrupted", {{"prefix", prefix_}, {"error", Message(status)}});
    told = true;
    if (!interrupt_.SleepUntil(Now() + pause)) return;
    pause = std::min(pause * 2, kLongestPause);
  }
}

absl::Status EtcdWatch::Follow(bool* synced) {
  etcdserverpb::RangeResponse snapshot;
  RETURN_IF_ERROR(client_->Range(prefix_, After(kSnapshotTimeout), &interrupt_, &snapshot));
  *synced = true;
  std::vector<StoreEvent> events;
  for (const mvccpb::KeyValue& kv : snapshot.kvs()) {
    events.push_back({StoreEvent::Type::kPut, {kv.key(), kv.value(), kv.mod_revision()}});
  }
  Report(true, std::move(events));
  return ReadStream(snapshot.header().revision() + 1);
}

absl::Status EtcdWatch::ReadStream(int64_t start_revision) {
  EtcdClient::Endpoint& endpoint = client_->current();
  grpc::ClientContext context;
  interrupt_.Begin(&context);
  const auto stream = endpoint.watch->Watch(&context);
  etcdserverpb::WatchRequest request;
  etcdserverpb::WatchCreateRequest& create = *request.mutable_create_request();
  create.set_key(prefix_.empty() ? std::string(1, '\0') : prefix_);
  create.set_range_end(PrefixEnd(prefix_));
  create.set_start_revision(start_revision);
  create.set_progress_notify(true);
  std::string reason;
  if (stream->Write(request)) {
    etcdserverpb::WatchResponse response;
    while (stream->Read(&response)) {
      if (response.canceled()) {  // compacted away, or etcd has had enough of us: start over
        reason = fmt::format("cancelled by etcd: {}", response.cancel_reason());
        break;
      }
      std::vector<StoreEvent> events;
      for (const mvccpb::Event& event : response.events()) events.push_back(ToEvent(event));
      if (!events.empty()) Report(false, std::move(events));
    }
  }
  context.TryCancel();
  const grpc::Status status = stream->Finish();
  interrupt_.End();
  if (reason.empty()) reason = status.error_message();
  client_->Rotate(endpoint);
  return Unavailable("etcd at {}: the watch ended: {}", endpoint.address, reason);
}

void EtcdWatch::Report(bool reset, std::vector<StoreEvent> events) {
  if (interrupt_.stopped()) return;
  on_update_({reset, std::move(events)});
}

}  // namespace conclave
