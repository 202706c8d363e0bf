#include "services/expert_host/server.h"

#include <algorithm>
#include <utility>

#include "common/base/log.h"
#include "common/client/workers/job_thread.h"
#include "common/client/workers/worker_node.h"
#include "common/cluster/election.h"
#include "common/engine/local_experts.h"
#include "services/expert_host/convert.h"
#include "services/expert_host/jobs/load_assigned.h"
#include "services/expert_host/jobs/plan_placement.h"
#include "services/expert_host/metrics.h"
#include "services/expert_host/service.h"
#include "services/expert_host/widen_placement.h"

namespace conclave {
namespace {

constexpr std::chrono::milliseconds kRegisterPoll{50};
constexpr std::chrono::milliseconds kLastCalls{200};  // for dispatches sent under the map before

}  // namespace

// In the order of construction; what comes later uses what comes earlier.
struct ExpertHostServer::Impl {
  ExpertHostConfig config;
  std::shared_ptr<ExpertStore> store;
  std::unique_ptr<WorkerNode> node;
  std::unique_ptr<ExpertHostMetrics> metrics;
  ExpertHostState state;
  std::unique_ptr<LocalExperts> experts;
  std::unique_ptr<ExpertServer> server;
  std::unique_ptr<PeerTable> peers;
  std::unique_ptr<ExpertService> service;
  std::unique_ptr<ExpertClient> client;
  std::unique_ptr<LoadAssigned> load;
  std::unique_ptr<PlanPlacementJob> plan;
  std::unique_ptr<JobThread> load_thread;
  std::unique_ptr<JobThread> plan_thread;
  std::unique_ptr<Election> election;  // made by the plan thread, after the registration
  std::shared_ptr<void> follow;
  std::shared_ptr<void> refresh;
  bool stopped = false;

  absl::Status Build(WorkerDeps deps);
  // Of all workers, whether they keep KV or not.
  uint64_t Fingerprint() const {
    return WorkerFingerprint(store->fingerprint(), config.worker.kv_format());
  }
  void BuildPlane();
  void StartJobs();
  SteadyTime Campaign();
  void Refresh();
  void WaitUnneeded();
  void Stop();
};

absl::Status ExpertHostServer::Impl::Build(WorkerDeps deps) {
  ASSIGN_OR_RETURN(store, ExpertStore::Open(config.worker.model_dir, config.worker.compute_mode()));
  if (!store->config().HasExperts()) {
    return InvalidArgument("{} ({}) has no routed experts: its cluster needs no expert hosts",
                           config.worker.model_dir, store->config().model_type);
  }
  ASSIGN_OR_RETURN(node, WorkerNode::Create(config.worker, Role::kExpertHost, Fingerprint(), deps));
  BuildPlane();
  RETURN_IF_ERROR(node->Listen({service.get()}));
  node->Announce(WorkerNode::Appear::kAtOnce, 0, [this] { return state.Ready(); });
  StartJobs();
  return absl::OkStatus();
}

void ExpertHostServer::Impl::BuildPlane() {
  const ModelConfig& model = store->config();
  metrics = std::make_unique<ExpertHostMetrics>(node->metrics(), node->id(), model.TotalLayers());
  experts = std::make_unique<LocalExperts>(store, node->pool());
  server = std::make_unique<ExpertServer>(
      node->transport(), *experts,
      [this](int layer, int expert) { return store->Holds(layer, expert); },
      [this] { return state.epoch(); },
      ExpertServerOptions{.max_queued_rows = config.max_queued_rows});
  peers = std::make_unique<PeerTable>(
      node->transport(), node->identity(),
      [this](Incarnation peer, std::shared_ptr<Endpoint> endpoint) {
        server->AddPeer(peer, std::move(endpoint));
      },
      [this](Incarnation peer) { server->RemovePeer(peer); });
  service = std::make_unique<ExpertService>(state, *peers, *store, *server, node->rpc_metrics());
  client = MakeExpertClient(node->channels(), node->identity());
  load = std::make_unique<LoadAssigned>(
      *store, state, node->id(), node->transport().incarnation(), config.worker.threads,
      [this] { node->ReadyChanged(); }, [this] { return config.worker.load_progress(); });
  plan = std::make_unique<PlanPlacementJob>(
      node->cluster(), *client,
      PlanOptions{.shape = {.layers = model.TotalLayers(),
                            .first_moe_layer = model.first_k_dense_replace,
                            .experts = model.num_routed_experts},
                  .fingerprint = Fingerprint(),
                  .replicas = config.expert_replicas,
                  .debounce = std::chrono::milliseconds(config.plan_debounce_ms)});
  refresh = node->metrics().OnCollect([this] { Refresh(); });
}

void ExpertHostServer::Impl::StartJobs() {
  load_thread =
      std::make_unique<JobThread>([this] { return load->Run(*node->cluster().Placement()); });
  plan_thread = std::make_unique<JobThread>([this] { return Campaign(); });
  load_thread->Start();
  plan_thread->Start();
  follow = node->cluster().OnChange([this] {
    load_thread->Trigger();
    plan_thread->Trigger();
  });
}

// The candidate's key lies under the member's lease, so the campaign begins after the registration.
SteadyTime ExpertHostServer::Impl::Campaign() {
  if (election == nullptr) {
    if (node->cluster().lease_id() == 0) return After(kRegisterPoll);
    election = node->cluster().Campaign("eplb", [this](bool leader) {
      LogInfo(leader ? "plans the placement" : "does not plan the placement any more",
              {{"id", node->id()}});
      plan->SetLeader(leader);
      plan_thread->Trigger();
    });
  }
  return plan->Run();
}

void ExpertHostServer::Impl::Refresh() {
  metrics->Follow({.server = server->counters(),
                   .resident_bytes = store->resident_bytes(),
                   .hosted_experts = store->held(),
                   .epoch = state.epoch(),
                   .leader = plan->leader(),
                   .layer_picks = LayerPicks(store->Loads(), store->config())});
}

// Another host's map will no longer name us, and clients move on: until then we go on computing.
// Alone, there is nobody to hand over to.
void ExpertHostServer::Impl::WaitUnneeded() {
  Mutex mu;
  CondVar changed;
  const auto wake = node->cluster().OnChange([&] {
    MutexLock lock(mu);
    changed.NotifyAll();
  });
  const SteadyTime deadline = After(std::chrono::seconds(config.worker.drain_s));
  const PlacementHost self{node->id(), node->transport().incarnation()};
  MutexLock lock(mu);
  while (Now() < deadline) {
    const auto others = node->cluster().Members(Role::kExpertHost);
    if (std::all_of(others.begin(), others.end(),
                    [&](const MemberInfo& m) { return m.id == self.id; }))
      return;
    const std::vector<PlacementHost> named = HostsOf(*node->cluster().Placement());
    if (std::find(named.begin(), named.end(), self) == named.end()) break;
    changed.WaitUntil(mu, deadline);
  }
  changed.WaitUntil(mu, std::min(deadline, After(kLastCalls)));
}

void ExpertHostServer::Impl::Stop() {
  if (stopped) return;
  stopped = true;
  if (node == nullptr) return;
  if (load != nullptr) load->Interrupt();
  follow.reset();
  if (plan_thread != nullptr) plan_thread->Stop();
  election.reset();
  if (load_thread != nullptr) load_thread->Stop();
  node->Withdraw();
  WaitUnneeded();
  if (std::exchange(refresh, nullptr) != nullptr)
    Refresh();  // what a shared registry shows from now on
  node->CloseServer(std::chrono::milliseconds(500));
  node->transport().Stop();
}

ExpertHostServer::ExpertHostServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

ExpertHostServer::~ExpertHostServer() { Stop(); }

absl::StatusOr<std::unique_ptr<ExpertHostServer>> ExpertHostServer::Start(
    const ExpertHostConfig& config, WorkerDeps deps) {
  auto impl = std::make_unique<Impl>();
  impl->config = config;
  auto server = std::unique_ptr<ExpertHostServer>(new ExpertHostServer(std::move(impl)));
  RETURN_IF_ERROR(server->impl_->Build(std::move(deps)));
  return server;
}

void ExpertHostServer::Stop() { impl_->Stop(); }
absl::Status ExpertHostServer::WaitReady(SteadyTime deadline) {
  return impl_->node->WaitReady(deadline);
}
const std::string& ExpertHostServer::id() const { return impl_->node->id(); }
const std::string& ExpertHostServer::address() const { return impl_->node->address(); }
const std::string& ExpertHostServer::metrics_address() const {
  return impl_->node->metrics_address();
}

}  // namespace conclave
