#include "services/cli/serve/all_roles.h"

#include <algorithm>
#include <thread>

#include "common/cluster/memory_store.h"
#include "common/engine/local_experts.h"

namespace conclave {
namespace {

int Threads(const ServeConfig& config) {
  if (config.threads > 0) return config.threads;
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

}  // namespace

absl::StatusOr<std::unique_ptr<AllRoles>> AllRoles::Start(ServeConfig config) {
  std::unique_ptr<AllRoles> roles(new AllRoles());
  roles->store_ = MakeMemoryStore();
  roles->hub_ = MakeInprocHub();
  roles->channels_ = roles->network_.Channels();
  roles->pool_ = std::make_unique<ThreadPool>(Threads(config));
  ASSIGN_OR_RETURN(const ModelConfig model, LoadModelConfig(config.model_dir));
  if (!model.HasExperts()) config.expert_hosts = 0;
  LoadOptions options;
  ParseComputeMode(config.mode, &options.mode);
  options.experts = config.expert_hosts == 0;
  options.threads = config.threads;
  options.progress = StderrProgress("loading", /*json_logs=*/true);
  ASSIGN_OR_RETURN(roles->model_, Model::Load(config.model_dir, options));
  RETURN_IF_ERROR(roles->StartRoles(config));
  return roles;
}

WorkerDeps AllRoles::MakeDeps() {
  WorkerDeps deps;
  deps.store = store_.get();
  deps.transport = MakeInprocTransport(hub_);
  deps.channels = channels_.get();
  deps.in_process = &network_;
  deps.pool = pool_.get();
  deps.metrics = &metrics_;
  return deps;
}

WorkerConfig AllRoles::MakeWorkerConfig(const ServeConfig& config, const std::string& id) const {
  WorkerConfig worker;
  worker.model_dir = config.model_dir;
  worker.model_id = config.model_id;
  worker.id = id;
  worker.mode = config.mode;
  worker.kv_cache = config.kv_cache;
  worker.kv_pages = config.kv_pages;
  worker.drain_s = 0;  // one process: nobody is left to hand work to
  worker.log_level = config.log_level;
  return worker;
}

absl::Status AllRoles::StartRoles(const ServeConfig& config) {
  for (int i = 0; i < config.expert_hosts; ++i) {
    ExpertHostConfig host;
    host.worker = MakeWorkerConfig(config, fmt::format("expert-host-{}", i));
    host.expert_replicas = config.expert_replicas;
    host.plan_debounce_ms = 20;
    // They load at the same time, in equal parts: one bar speaks for all.
    host.worker.progress_label = i == 0 ? "loading experts" : "";
    ASSIGN_OR_RETURN(std::unique_ptr<ExpertHostServer> server,
                     ExpertHostServer::Start(host, MakeDeps()));
    expert_hosts_.push_back(std::move(server));
  }
  const auto attention_deps = [&] {
    WorkerDeps deps = MakeDeps();
    deps.model = model_;
    if (config.expert_hosts == 0)
      deps.local_experts = std::make_unique<LocalExperts>(model_, *pool_);
    return deps;
  };
  PrefillConfig prefill;
  prefill.worker = MakeWorkerConfig(config, "prefill-0");
  ASSIGN_OR_RETURN(prefill_, PrefillServer::Start(prefill, attention_deps()));
  DecodeConfig decode;
  decode.worker = MakeWorkerConfig(config, "decode-0");
  ASSIGN_OR_RETURN(decode_, DecodeServer::Start(decode, attention_deps()));

  RouterConfig router;
  router.model_dir = config.model_dir;
  router.model_id = config.model_id;
  router.host = config.host;
  router.http_port = config.http_port;
  router.grpc_port = config.grpc_port;
  router.id = "router-0";
  router.local_experts = config.expert_hosts == 0;
  router.drain_s = 0;
  router.log_level = config.log_level;
  RouterDeps deps;
  deps.store = store_.get();
  deps.channels = channels_.get();  // to the workers; its own doors are real ports
  deps.metrics = &metrics_;
  ASSIGN_OR_RETURN(router_, RouterServer::Start(router, deps));
  return router_->WaitReady(Now() + std::chrono::seconds(config.start_timeout_s));
}

AllRoles::~AllRoles() {
  // From the front door inwards, so that nobody calls a role that is gone.
  if (router_) router_->Stop();
  if (decode_) decode_->Stop();
  if (prefill_) prefill_->Stop();
  for (std::unique_ptr<ExpertHostServer>& host : expert_hosts_) host->Stop();
}

}  // namespace conclave
