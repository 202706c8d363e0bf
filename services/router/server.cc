#include "services/router/server.h"

#include <unistd.h>

#include <atomic>

#include "common/base/ids.h"
#include "common/base/log.h"
#include "common/client/cluster/cluster_client.h"
#include "services/router/http/error_body.h"
#include "services/router/http/http_api.h"
#include "services/router/http/http_server.h"
#include "services/router/rpcs/inference_service.h"

namespace conclave {
namespace {

constexpr std::chrono::seconds kRegisterTimeout{10};
constexpr std::chrono::seconds kFlushGrace{2};  // for last bytes to reach their clients

}  // namespace

// Destroyed from the bottom up: doors first, then what they use.
struct RouterServer::Impl {
  RouterConfig config;
  std::string id, http_address, grpc_address;
  std::atomic<bool> stopping{false};

  std::unique_ptr<MetricRegistry> own_registry;
  MetricRegistry* registry = nullptr;
  std::unique_ptr<const ModelAssets> model;
  std::unique_ptr<RouterMetrics> metrics;
  std::unique_ptr<RpcMetrics> rpc_metrics;
  std::unique_ptr<ClusterClient> cluster;
  std::unique_ptr<DecodeClient> decode;
  std::unique_ptr<WorkerSelector> workers;
  std::unique_ptr<Pipeline> pipeline;
  std::unique_ptr<InferenceService> inference;
  std::unique_ptr<RpcServer> rpc;
  std::unique_ptr<ReadinessWatcher> readiness;
  std::unique_ptr<HttpApi> api;
  std::unique_ptr<HttpServer> http;
  std::shared_ptr<void> collect;

  absl::Status Start(const RouterDeps& deps);
  absl::Status StartGrpc(const RouterDeps& deps);
  absl::Status StartHttp();
  absl::Status Join();
  void Stop();
};

absl::Status RouterServer::Impl::Start(const RouterDeps& deps) {
  id = config.id.empty() ? RandomName("router") : config.id;
  ASSIGN_OR_RETURN(model, LoadModelAssets(config.model_dir, config.served_model()));
  if (deps.metrics == nullptr) own_registry = std::make_unique<MetricRegistry>();
  registry = deps.metrics == nullptr ? own_registry.get() : deps.metrics;
  metrics = std::make_unique<RouterMetrics>(*registry);
  rpc_metrics = std::make_unique<RpcMetrics>(*registry);

  cluster = std::make_unique<ClusterClient>(
      *deps.store, ClusterClientOptions{config.cluster, std::chrono::seconds(config.lease_ttl_s)});
  decode = MakeDecodeClient(*deps.channels);
  workers = std::make_unique<WorkerSelector>([this](Role role) { return cluster->Members(role); },
                                             config.decode_capacity, config.prefill_capacity);
  pipeline =
      std::make_unique<Pipeline>(*model, *workers, *decode, *metrics,
                                 Pipeline::Options{config.max_in_flight, config.tokenize_threads});
  RETURN_IF_ERROR(StartGrpc(deps));
  readiness = std::make_unique<ReadinessWatcher>(*cluster, model->config, config.local_experts,
                                                 [this](bool ready) {
                                                   metrics->ready.Set(ready && !stopping ? 1 : 0);
                                                   rpc->SetServing(ready && !stopping);
                                                 });
  RETURN_IF_ERROR(StartHttp());
  return Join();
}

absl::Status RouterServer::Impl::StartGrpc(const RouterDeps& deps) {
  inference = std::make_unique<InferenceService>(
      InferenceService::Deps{model.get(), pipeline.get(), metrics.get(), rpc_metrics.get(),
                             std::chrono::seconds(config.request_timeout_s)});
  RpcServerOptions options;
  options.host = config.host;
  options.port = config.grpc_port;
  options.in_process = deps.in_process;
  options.name = id;
  options.max_message_bytes = config.max_body_bytes;
  ASSIGN_OR_RETURN(rpc, RpcServer::Start(options, {inference.get()}));
  grpc_address = rpc->address();
  return absl::OkStatus();
}

absl::Status RouterServer::Impl::StartHttp() {
  api = std::make_unique<HttpApi>(HttpApiDeps{model.get(), pipeline.get(), readiness.get(),
                                              metrics.get(), registry,
                                              std::chrono::seconds(config.request_timeout_s)});
  HttpServerOptions options;
  options.host = config.host;
  options.port = config.http_port;
  options.threads = config.http_threads;
  options.max_connections = config.max_connections;
  options.max_body_bytes = config.max_body_bytes;
  ASSIGN_OR_RETURN(
      http,
      HttpServer::Start(
          options,
          [this](std::shared_ptr<HttpExchange> exchange) { api->Handle(std::move(exchange)); },
          [](int status, const std::string& message) { return ErrorJson(status, message); }));
  http_address = http->address();
  collect = registry->OnCollect([this] { metrics->connections.Set(http->connections()); });
  return absl::OkStatus();
}

absl::Status RouterServer::Impl::Join() {
  MemberInfo self;
  self.id = id;
  self.role = Role::kRouter;
  self.incarnation = RandomId();
  self.grpc_address = grpc_address;
  self.http_address = http_address;
  self.pid = getpid();
  self.started_us = WallMicros();
  self.model_id = model->id;
  return cluster->Register(self, After(kRegisterTimeout));
}

void RouterServer::Impl::Stop() {
  if (stopping.exchange(true)) return;
  if (cluster) cluster->Withdraw();
  if (rpc) rpc->SetServing(false);
  if (pipeline) pipeline->Drain(After(std::chrono::seconds(config.drain_s)));
  collect.reset();
  if (http) http->Stop(kFlushGrace);
  if (rpc) rpc->Shutdown(kFlushGrace);
  readiness.reset();
}

RouterServer::RouterServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
RouterServer::~RouterServer() { Stop(); }

absl::StatusOr<std::unique_ptr<RouterServer>> RouterServer::Start(const RouterConfig& config,
                                                                  RouterDeps deps) {
  auto impl = std::make_unique<Impl>();
  impl->config = config;
  if (absl::Status status = impl->Start(deps); !status.ok()) {
    impl->config.drain_s = 0;
    impl->Stop();
    return status;
  }
  LogInfo("router listens",
          {{"http", impl->http_address}, {"grpc", impl->grpc_address}, {"model", impl->model->id}});
  return std::unique_ptr<RouterServer>(new RouterServer(std::move(impl)));
}

void RouterServer::Stop() { impl_->Stop(); }

absl::Status RouterServer::WaitReady(SteadyTime deadline) {
  if (impl_->stopping) return Unavailable("the router was stopped");
  return impl_->readiness->WaitReady(deadline);
}

const std::string& RouterServer::id() const { return impl_->id; }
const std::string& RouterServer::http_address() const { return impl_->http_address; }
const std::string& RouterServer::grpc_address() const { return impl_->grpc_address; }

}  // namespace conclave
