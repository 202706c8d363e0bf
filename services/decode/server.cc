#include "services/decode/server.h"

#include <utility>

#include "common/base/log.h"
#include "common/client/workers/attention_model.h"
#include "common/client/workers/expert_plane.h"
#include "common/client/workers/worker_node.h"
#include "services/decode/jobs/run_steps.h"
#include "services/decode/service.h"

namespace conclave {

// In the order of construction; what comes later uses what comes earlier.
struct DecodeServer::Impl {
  DecodeConfig config;
  AttentionModel model;
  std::unique_ptr<WorkerNode> node;
  std::unique_ptr<DecodeMetrics> metrics;
  std::unique_ptr<KvCache> cache;
  std::unique_ptr<ExpertPlane> experts;
  std::unique_ptr<KvReceiver> receiver;
  std::unique_ptr<PrefillClient> prefill;
  std::unique_ptr<Forward> forward;
  std::unique_ptr<DecodeState> state;
  std::unique_ptr<ReceivePrompt> receive;
  std::unique_ptr<RunSteps> steps;
  std::unique_ptr<DecodeService> service;
  std::shared_ptr<void> refresh;
  bool stopped = false;

  absl::Status Build(WorkerDeps deps);
  void BuildEngine(WorkerDeps& deps);
  void Received(const SequencePtr& sequence, absl::StatusOr<SampledToken> first);
  void Refresh();
  void Stop();
};

absl::Status DecodeServer::Impl::Build(WorkerDeps deps) {
  ASSIGN_OR_RETURN(model, LoadAttentionModel(config.worker, std::move(deps.model)));
  ASSIGN_OR_RETURN(cache, KvCache::Create(model.model->config(), model.model->mode(),
                                          config.worker.kv_pages, config.worker.kv_format()));
  ASSIGN_OR_RETURN(
      node, WorkerNode::Create(
                config.worker, Role::kDecode,
                WorkerFingerprint(model.model->fingerprint(), config.worker.kv_format()), deps));
  BuildEngine(deps);
  RETURN_IF_ERROR(node->Listen({service.get()}));
  node->Announce(WorkerNode::Appear::kWhenReady, static_cast<uint32_t>(config.worker.kv_pages),
                 [this] { return experts->Ready(); });
  return absl::OkStatus();
}

void DecodeServer::Impl::BuildEngine(WorkerDeps& deps) {
  metrics = std::make_unique<DecodeMetrics>(node->metrics());
  if (!model.model->config().HasExperts()) {
    experts = MakeNoExpertPlane();
  } else if (deps.local_experts != nullptr) {
    experts = MakeLocalExpertPlane(std::move(deps.local_experts));
  } else {
    experts = MakeRemoteExpertPlane(node->transport(), node->cluster(), node->channels(),
                                    node->identity(), node->metrics(), "decode");
  }
  receiver = std::make_unique<KvReceiver>(node->transport(), *cache);
  prefill = MakePrefillClient(node->channels(), node->identity());
  forward = std::make_unique<Forward>(model.model, *cache, node->pool(), experts->backend());
  state = std::make_unique<DecodeState>(
      config.worker.kv_pages,
      AdmissionLimits{.max_running = config.max_running, .max_queue = config.max_queued}, *metrics,
      [this](const SequencePtr& sequence) { receive->Start(sequence); });
  receive = std::make_unique<ReceivePrompt>(
      *receiver, *prefill, static_cast<uint32_t>(model.model->config().num_layers),
      std::chrono::milliseconds(config.handoff_timeout_ms), *metrics,
      [this](const SequencePtr& sequence, absl::StatusOr<SampledToken> first) {
        Received(sequence, std::move(first));
      });
  steps = std::make_unique<RunSteps>(
      *state, *forward, *model.model, model.usable_vocab,
      StepLimits{.max_running = config.max_running,
                 .step_timeout = std::chrono::milliseconds(config.step_timeout_ms)},
      *metrics);
  service = std::make_unique<DecodeService>(
      *state, *receive, model.model->config(), node->rpc_metrics(), *metrics,
      DecodeService::Options{.longest_call = std::chrono::seconds(config.default_deadline_s),
                             .max_stream_backlog = static_cast<size_t>(config.max_stream_backlog)});
  refresh = node->metrics().OnCollect([this] { Refresh(); });
}

void DecodeServer::Impl::Received(const SequencePtr& sequence, absl::StatusOr<SampledToken> first) {
  absl::Status status = first.status();
  if (status.ok() && steps->Emit(*sequence, *first, &status)) {
    state->Join(sequence);
  } else {
    state->End(sequence, status);
  }
}

void DecodeServer::Impl::Refresh() {
  const DecodeState::Counts counts = state->counts();
  metrics->waiting.Set(counts.waiting);
  metrics->receiving.Set(counts.receiving);
  metrics->running.Set(counts.running);
  metrics->pages_total.Set(counts.total_pages);
  metrics->pages_free.Set(counts.free_pages);
  metrics->pages_quarantined.Set(counts.quarantined_pages);
}

void DecodeServer::Impl::Stop() {
  if (stopped) return;
  stopped = true;
  if (node == nullptr) return;
  node->Withdraw();
  if (state != nullptr) {
    state->Drain();
    if (!state->WaitIdle(After(std::chrono::seconds(config.worker.drain_s)))) {
      LogWarning("ending what the drain left over", {{"sequences", state->counts().active()}});
    }
    for (const SequencePtr& sequence : state->EvictAll()) receive->Interrupt(sequence);
    // Every owner's own bound: a step, or the rest of a hand-off.
    state->WaitIdle(
        After(std::chrono::milliseconds(config.step_timeout_ms + config.handoff_timeout_ms)));
    node->CloseServer(std::chrono::milliseconds(500));
    state->Stop();
  }
  steps.reset();
  receive.reset();
  if (std::exchange(refresh, nullptr) != nullptr)
    Refresh();  // what a shared registry shows from now on
  node->transport().Stop();
}

DecodeServer::DecodeServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

DecodeServer::~DecodeServer() { Stop(); }

absl::StatusOr<std::unique_ptr<DecodeServer>> DecodeServer::Start(const DecodeConfig& config,
                                                                  WorkerDeps deps) {
  auto impl = std::make_unique<Impl>();
  impl->config = config;
  auto server = std::unique_ptr<DecodeServer>(new DecodeServer(std::move(impl)));
  RETURN_IF_ERROR(server->impl_->Build(std::move(deps)));
  return server;
}

void DecodeServer::Stop() { impl_->Stop(); }
absl::Status DecodeServer::WaitReady(SteadyTime deadline) {
  return impl_->node->WaitReady(deadline);
}
const std::string& DecodeServer::id() const { return impl_->node->id(); }
const std::string& DecodeServer::address() const { return impl_->node->address(); }
const std::string& DecodeServer::metrics_address() const { return impl_->node->metrics_address(); }

}  // namespace conclave
