#include "services/prefill/server.h"

#include <utility>

#include "common/base/log.h"
#include "common/client/workers/attention_model.h"
#include "common/client/workers/expert_plane.h"
#include "common/client/workers/worker_node.h"
#include "services/prefill/jobs/compute_prompts.h"
#include "services/prefill/service.h"

namespace conclave {
namespace {

constexpr std::chrono::minutes kLongestCall{10};

}  // namespace

// In the order of construction; what comes later uses what comes earlier.
struct PrefillServer::Impl {
  PrefillConfig config;
  AttentionModel model;
  std::unique_ptr<WorkerNode> node;
  std::unique_ptr<PrefillMetrics> metrics;
  std::unique_ptr<KvCache> cache;
  std::unique_ptr<ExpertPlane> experts;
  std::unique_ptr<PeerTable> peers;
  std::unique_ptr<Forward> forward;
  std::unique_ptr<PrefillState> state;
  std::unique_ptr<ComputePrompts> compute;
  std::unique_ptr<PrefillService> service;
  std::shared_ptr<void> refresh;
  bool stopped = false;

  absl::Status Build(WorkerDeps deps);
  void BuildEngine(WorkerDeps& deps);
  void Refresh();
  void Stop();
};

absl::Status PrefillServer::Impl::Build(WorkerDeps deps) {
  ASSIGN_OR_RETURN(model, LoadAttentionModel(config.worker, std::move(deps.model)));
  ASSIGN_OR_RETURN(cache, KvCache::Create(model.model->config(), model.model->mode(),
                                          config.worker.kv_pages, config.worker.kv_format()));
  ASSIGN_OR_RETURN(
      node, WorkerNode::Create(
                config.worker, Role::kPrefill,
                WorkerFingerprint(model.model->fingerprint(), config.worker.kv_format()), deps));
  BuildEngine(deps);
  RETURN_IF_ERROR(node->Listen({service.get()}));
  node->Announce(WorkerNode::Appear::kWhenReady, static_cast<uint32_t>(config.worker.kv_pages),
                 [this] { return experts->Ready(); });
  return absl::OkStatus();
}

void PrefillServer::Impl::BuildEngine(WorkerDeps& deps) {
  metrics = std::make_unique<PrefillMetrics>(node->metrics());
  if (!model.model->config().HasExperts()) {
    experts = MakeNoExpertPlane();
  } else if (deps.local_experts != nullptr) {
    experts = MakeLocalExpertPlane(std::move(deps.local_experts));
  } else {
    experts = MakeRemoteExpertPlane(node->transport(), node->cluster(), node->channels(),
                                    node->identity(), node->metrics(), "prefill");
  }
  peers = std::make_unique<PeerTable>(node->transport(), node->identity(), nullptr, nullptr);
  forward = std::make_unique<Forward>(model.model, *cache, node->pool(), experts->backend());
  state = std::make_unique<PrefillState>(config.worker.kv_pages, config.max_queued, *metrics);
  compute = std::make_unique<ComputePrompts>(
      *state, *forward, *cache, *model.model, model.usable_vocab, node->transport().incarnation(),
      ChunkLimits{.chunk_tokens = config.chunk_tokens,
                  .step_timeout = std::chrono::milliseconds(config.step_timeout_ms)},
      *metrics);
  service = std::make_unique<PrefillService>(
      *state, *peers, model.model->config(), node->rpc_metrics(),
      PrefillService::Options{.token_bytes = cache->TokenBytes(), .longest_call = kLongestCall});
  refresh = node->metrics().OnCollect([this] { Refresh(); });
}

void PrefillServer::Impl::Refresh() {
  const PrefillState::Counts counts = state->counts();
  metrics->waiting.Set(counts.waiting);
  metrics->computing.Set(counts.computing);
  metrics->ending.Set(counts.ending);
  metrics->pages_total.Set(counts.total_pages);
  metrics->pages_free.Set(counts.free_pages);
  metrics->pages_quarantined.Set(counts.quarantined_pages);
}

void PrefillServer::Impl::Stop() {
  if (stopped) return;
  stopped = true;
  if (node == nullptr) return;
  node->Withdraw();
  if (state != nullptr) {
    state->Drain();
    if (!state->WaitIdle(After(std::chrono::seconds(config.worker.drain_s)))) {
      LogWarning("ending what the drain left over", {{"prompts", state->counts().active()}});
    }
    state->EvictAll();
    // The owner's own bound: a step.
    state->WaitIdle(After(std::chrono::milliseconds(config.step_timeout_ms)));
    node->CloseServer(std::chrono::milliseconds(500));
    state->Stop();
  }
  compute.reset();
  if (std::exchange(refresh, nullptr) != nullptr)
    Refresh();  // what a shared registry shows from now on
  node->transport().Stop();
}

PrefillServer::PrefillServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

PrefillServer::~PrefillServer() { Stop(); }

absl::StatusOr<std::unique_ptr<PrefillServer>> PrefillServer::Start(const PrefillConfig& config,
                                                                    WorkerDeps deps) {
  auto impl = std::make_unique<Impl>();
  impl->config = config;
  auto server = std::unique_ptr<PrefillServer>(new PrefillServer(std::move(impl)));
  RETURN_IF_ERROR(server->impl_->Build(std::move(deps)));
  return server;
}

void PrefillServer::Stop() { impl_->Stop(); }
absl::Status PrefillServer::WaitReady(SteadyTime deadline) {
  return impl_->node->WaitReady(deadline);
}
const std::string& PrefillServer::id() const { return impl_->node->id(); }
const std::string& PrefillServer::address() const { return impl_->node->address(); }
const std::string& PrefillServer::metrics_address() const { return impl_->node->metrics_address(); }

}  // namespace conclave
