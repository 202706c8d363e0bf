#include "common/cluster/etcd/etcd_lease.h"

#include <algorithm>
#include <utility>

#include "common/base/log.h"

namespace conclave {
namespace {

constexpr std::chrono::milliseconds kRetryPause{200};
constexpr std::chrono::milliseconds kShortestAttempt{200};
constexpr std::chrono::milliseconds kRevokeTimeout{500};

}  // namespace

EtcdLease::EtcdLease(std::shared_ptr<EtcdClient> client, int64_t id, std::chrono::seconds ttl,
                     SteadyTime granted_at, std::function<void()> lost)
    : client_(std::move(client)), id_(id), ttl_(ttl), lost_(std::move(lost)) {
  thread_ = std::thread([this, granted_at] { Run(granted_at); });
}

EtcdLease::~EtcdLease() {
  interrupt_.Stop();
  thread_.join();
  if (held_) Revoke();
}

void EtcdLease::Run(SteadyTime granted_at) {
  const Duration period = Duration(ttl_) / 3;
  SteadyTime valid_until = granted_at + ttl_;
  SteadyTime next = granted_at + period;
  while (interrupt_.SleepUntil(next)) {
    const SteadyTime sent = Now();
    // Never longer than the lease lasts; but one short attempt even after that: our own process may
    // have been frozen while etcd was slow to expire the lease.
    const SteadyTime attempt_end =
        std::min(sent + period, std::max(valid_until, sent + kShortestAttempt));
    const absl::StatusOr<int64_t> left = Renew(attempt_end);
    if (interrupt_.stopped()) return;
    if (left.ok() && *left > 0) {
      valid_until = sent + ttl_;
      next = sent + period;
      continue;
    }
    if (!left.ok() && !absl::IsNotFound(left.status()) && Now() < valid_until) {
      next = std::min(Now() + kRetryPause, valid_until);
      continue;
    }
    held_ = false;
    LogWarning("etcd lease lost",
               {{"lease", fmt::format("{:x}", id_)},
                {"ttl_s", ttl_.count()},
                {"error", left.ok() ? "etcd let it expire" : Message(left.status())}});
    if (lost_) lost_();
    return;
  }
}

absl::StatusOr<int64_t> EtcdLease::Renew(SteadyTime deadline) {
  int64_t left = 0;
  // A stream for one question: its deadline bounds the answer, which a long-lived stream could not.
  RETURN_IF_ERROR(client_->Call("LeaseKeepAlive", deadline, true, &interrupt_,
                                [&](EtcdClient::Endpoint& endpoint, grpc::ClientContext* context) {
                                  etcdserverpb::LeaseKeepAliveRequest request;
                                  request.set_id(id_);
                                  etcdserverpb::LeaseKeepAliveResponse response;
                                  const auto stream = endpoint.lease->LeaseKeepAlive(context);
                                  stream->Write(request);
                                  stream->WritesDone();
                                  const bool answered = stream->Read(&response);
                                  if (answered) left = response.ttl();
                                  const grpc::Status status = stream->Finish();
                                  if (answered || !status.ok())
                                    return answered ? grpc::Status::OK : status;
                                  return grpc::Status(grpc::StatusCode::UNAVAILABLE,
                                                      "the stream ended without an answer");
                                }));
  return left;
}

void EtcdLease::Revoke() {
  etcdserverpb::LeaseRevokeRequest request;
  request.set_id(id_);
  const absl::Status status =
      client_->Call("LeaseRevoke", After(kRevokeTimeout), true, nullptr,
                    [&](EtcdClient::Endpoint& endpoint, grpc::ClientContext* context) {
                      etcdserverpb::LeaseRevokeResponse response;
                      return endpoint.lease->LeaseRevoke(context, request, &response);
                    });
  if (!status.ok() && !absl::IsNotFound(status)) {
    LogInfo("etcd lease not revoked, it will expire",
            {{"lease", fmt::format("{:x}", id_)}, {"error", Message(status)}});
  }
}

}  // namespace conclave
