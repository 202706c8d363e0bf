#include "common/client/workers/worker_node.h"

#include <unistd.h>

#include <algorithm>
#include <optional>
#include <thread>

#include "common/base/log.h"
#include "common/client/workers/job_thread.h"
#include "common/observe/metrics_server.h"

namespace conclave {
namespace {

constexpr std::chrono::milliseconds kRecheck{1000};  // health of a ready worker
constexpr std::chrono::milliseconds kNotReady{100};  // until it is ready
constexpr std::chrono::milliseconds kRegisterTimeout{5000};

class Node : public WorkerNode {
 public:
  Node(const WorkerConfig& config, Role role, uint64_t fingerprint, WorkerDeps& deps)
      : config_(config),
        role_(role),
        fingerprint_(fingerprint),
        id_(config.id.empty() ? RandomName(RoleName(role) + "-") : config.id),
        transport_(std::move(deps.transport)),
        channels_(deps.channels),
        in_process_(deps.in_process),
        own_metrics_(deps.metrics != nullptr ? nullptr : std::make_unique<MetricRegistry>()),
        metrics_(deps.metrics != nullptr ? deps.metrics : own_metrics_.get()),
        rpc_metrics_(*metrics_),
        own_pool_(deps.pool != nullptr ? nullptr : std::make_unique<ThreadPool>(Threads(config))),
        pool_(deps.pool != nullptr ? deps.pool : own_pool_.get()),
        cluster_(*deps.store, {.cluster = config.cluster,
                               .lease_ttl = std::chrono::seconds(config.lease_ttl_s)}) {}

  ~Node() override {
    Withdraw();
    CloseServer(std::chrono::milliseconds(0));
    transport_->Stop();
  }

  const std::string& id() const override { return id_; }
  PeerIdentity identity() const override {
    return {.id = id_,
            .incarnation = transport_->incarnation(),
            .transport_address = transport_->Address(),
            .fingerprint = fingerprint_};
  }
  Transport& transport() override { return *transport_; }
  ClusterClient& cluster() override { return cluster_; }
  ChannelProvider& channels() override { return *channels_; }
  MetricRegistry& metrics() override { return *metrics_; }
  RpcMetrics& rpc_metrics() override { return rpc_metrics_; }
  ThreadPool& pool() override { return *pool_; }
  const std::string& address() const override { return address_; }
  const std::string& metrics_address() const override { return metrics_address_; }

  absl::Status Listen(const std::vector<grpc::Service*>& services) override {
    if (in_process_ == nullptr) {
      ASSIGN_OR_RETURN(metrics_server_,
                       MetricsServer::Start(*metrics_, config_.host, config_.metrics_port));
      metrics_address_ = metrics_server_->address();
    }
    const RpcServerOptions options{
        .host = config_.host, .port = config_.port, .in_process = in_process_, .name = id_};
    ASSIGN_OR_RETURN(server_, RpcServer::Start(options, services));
    address_ = server_->address();
    LogInfo("listening", {{"id", id_}, {"grpc", address_}, {"metrics", metrics_address_}});
    return absl::OkStatus();
  }

  void Announce(Appear appear, uint32_t kv_pages, std::function<absl::Status()> ready) override {
    appear_ = appear;
    kv_pages_ = kv_pages;
    ready_ = std::move(ready);
    JobThread* job = nullptr;
    {
      MutexLock lock(mu_);
      announce_ = std::make_unique<JobThread>([this] { return CheckReady(); });
      job = announce_.get();
    }
    job->Start();
    follow_ = cluster_.OnChange([job] { job->Trigger(); });
  }

  void ReadyChanged() override {
    MutexLock lock(mu_);
    if (announce_ != nullptr) announce_->Trigger();
  }

  absl::Status WaitReady(SteadyTime deadline) override {
    MutexLock lock(mu_);
    while (!serving_ && !withdrawn_) {
      if (!changed_.WaitUntil(mu_, deadline) && !serving_ && Now() >= deadline) {
        return DeadlineExceeded("{} is not ready: {}", id_, Message(last_status_));
      }
    }
    return withdrawn_ ? Unavailable("{} is shutting down", id_) : absl::OkStatus();
  }

  void Withdraw() override {
    {
      MutexLock lock(mu_);
      if (withdrawn_) return;
      withdrawn_ = true;
      serving_ = false;
      changed_.NotifyAll();
    }
    follow_.reset();
    if (announce_ != nullptr) announce_->Stop();
    if (server_ != nullptr) server_->SetServing(false);
    cluster_.Withdraw();
  }

  void CloseServer(std::chrono::milliseconds grace) override {
    if (server_ == nullptr) return;
    server_->Shutdown(grace);
    server_.reset();  // before the services that it calls
  }

 private:
  static int Threads(const WorkerConfig& config) {
    if (config.threads > 0) return config.threads;
    return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  }

  // One round of the announcing thread.
  SteadyTime CheckReady() {
    absl::Status status = ready_();
    const bool was_ready = status.ok();
    if (!registered_ && (was_ready || appear_ == Appear::kAtOnce)) {
      const absl::Status registered = Register();
      if (!registered.ok()) {
        LogWarning("cannot register", {{"id", id_}, {"why", Message(registered)}});
        status = Annotate(registered, "registering in the cluster");
      }
    }
    Report(status);
    return After(status.ok() ? kRecheck : kNotReady);
  }

  absl::Status Register() {
    RETURN_IF_ERROR(cluster_.Register({.id = id_,
                                       .role = role_,
                                       .incarnation = transport_->incarnation(),
                                       .grpc_address = address_,
                                       .http_address = metrics_address_,
                                       .fingerprint = fingerprint_,
                                       .pid = getpid(),
                                       .kv_pages = kv_pages_,
                                       .started_us = WallMicros(),
                                       .model_id = config_.served_model()},
                                      After(kRegisterTimeout)));
    registered_ = true;
    return absl::OkStatus();
  }

  void Report(const absl::Status& status) {
    {
      MutexLock lock(mu_);
      if (withdrawn_) return;
      last_status_ = status;
      if (serving_ == status.ok()) return;
      serving_ = status.ok();
      changed_.NotifyAll();
    }
    server_->SetServing(status.ok());
    if (status.ok()) {
      LogInfo("ready", {{"id", id_}, {"grpc", address_}});
    } else {
      LogWarning("not ready any more", {{"id", id_}, {"why", Message(status)}});
    }
  }

  const WorkerConfig config_;
  const Role role_;
  const uint64_t fingerprint_;
  const std::string id_;
  const std::unique_ptr<Transport> transport_;
  ChannelProvider* const channels_;
  InProcessNetwork* const in_process_;
  const std::unique_ptr<MetricRegistry> own_metrics_;
  MetricRegistry* const metrics_;
  RpcMetrics rpc_metrics_;
  const std::unique_ptr<ThreadPool> own_pool_;
  ThreadPool* const pool_;
  ClusterClient cluster_;
  std::unique_ptr<MetricsServer> metrics_server_;
  std::string metrics_address_;
  std::unique_ptr<RpcServer> server_;
  std::string address_;
  // Set by Announce, used by its thread.
  Appear appear_ = Appear::kWhenReady;
  uint32_t kv_pages_ = 0;
  std::function<absl::Status()> ready_;
  bool registered_ = false;

  Mutex mu_;
  CondVar changed_;
  bool serving_ GUARDED_BY(mu_) = false;
  bool withdrawn_ GUARDED_BY(mu_) = false;
  absl::Status last_status_ GUARDED_BY(mu_) = absl::UnavailableError("still starting");
  std::unique_ptr<JobThread> announce_;  // made once under mu_, ended by Withdraw
  std::shared_ptr<void> follow_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<WorkerNode>> WorkerNode::Create(const WorkerConfig& config,
                                                               Role role, uint64_t fingerprint,
                                                               WorkerDeps& deps) {
  if (deps.store == nullptr || deps.transport == nullptr || deps.channels == nullptr) {
    return InvalidArgument("a worker needs a store, a transport and channels");
  }
  return std::unique_ptr<WorkerNode>(std::make_unique<Node>(config, role, fingerprint, deps));
}

}  // namespace conclave
