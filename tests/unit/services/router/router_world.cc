#include "tests/unit/services/router/router_world.h"

#include "common/base/check.h"
#include "common/rpc/status_convert.h"
#include "common/rpc/stream_reactor.h"
#include "proto/conclave/v1/decode.grpc.pb.h"
#include "tests/unit/services/router/http_client.h"
#include "tests/unit/services/router/test_model.h"

namespace conclave {
namespace {

constexpr std::chrono::seconds kLong{60};

MemberInfo Member(const std::string& id, Role role) {
  MemberInfo member;
  member.id = id;
  member.role = role;
  member.incarnation = 1;
  member.grpc_address = id;
  member.fingerprint = 0xabc;
  return member;
}

}  // namespace

DecodeScript Say(const std::string& text, size_t per_message) {
  std::vector<TokenId> tokens = Encode(text);
  tokens.push_back(TestModel().config.eos_token_id);
  DecodeScript script;
  for (size_t i = 0; i < tokens.size(); i += per_message) {
    script.messages.emplace_back(tokens.begin() + i,
                                 tokens.begin() + std::min(tokens.size(), i + per_message));
  }
  return script;
}

class RouterWorld::Worker : public v1::Decode::CallbackService {
 public:
  grpc::ServerWriteReactor<v1::DecodeResponse>* Generate(
      grpc::CallbackServerContext*, const v1::DecodeRequest* request) override {
    auto stream = ServerStream<v1::DecodeResponse>::Create([this] {
      MutexLock lock(mu_);
      ++cancelled_;
      changed_.NotifyAll();
    });
    DecodeScript script;
    {
      MutexLock lock(mu_);
      request_ = *request;
      ++requests_;
      script = script_;
      changed_.NotifyAll();
    }
    Play(*stream, script, static_cast<int>(request->sampling().top_logprobs()));
    return stream->reactor();
  }

  Mutex mu_;
  CondVar changed_;
  DecodeScript script_ GUARDED_BY(mu_);
  v1::DecodeRequest request_ GUARDED_BY(mu_);
  int requests_ GUARDED_BY(mu_) = 0;
  int cancelled_ GUARDED_BY(mu_) = 0;

 private:
  static void Play(ServerStream<v1::DecodeResponse>& stream, const DecodeScript& script,
                   int top_logprobs) {
    size_t position = 0;
    for (size_t i = 0; i < script.messages.size(); ++i) {
      v1::DecodeResponse response;
      for (const int32_t id : script.messages[i]) {
        v1::Token& token = *response.add_tokens();
        token.set_id(id);
        token.set_logprob(-0.25f * static_cast<float>(position + 1));
        for (int k = 0; k < top_logprobs; ++k) {
          v1::Alternative& top = *token.add_top();
          top.set_id(id + k);
          top.set_logprob(-0.25f * static_cast<float>(position + 1 + k));
        }
        ++position;
      }
      if (i + 1 == script.messages.size() && !script.hang && script.error.ok()) {
        response.set_finish(script.finish == FinishReason::kStop ? v1::FINISH_REASON_STOP
                                                                 : v1::FINISH_REASON_LENGTH);
      }
      stream.Write(std::move(response));
    }
    if (!script.hang) stream.Finish(ToGrpc(script.error));
  }
};

RouterWorld::RouterWorld(RouterConfig config, bool with_workers)
    : store_(MakeMemoryStore()),
      channels_(network_.Channels()),
      worker_(std::make_unique<Worker>()) {
  if (with_workers) {
    RpcServerOptions options;
    options.in_process = &network_;
    options.name = "decode-0";
    worker_server_ = RpcServer::Start(options, {worker_.get()}).value();
    decode_member_ = std::make_unique<ClusterClient>(*store_, ClusterClientOptions{});
    CONCLAVE_CHECK(decode_member_->Register(Member("decode-0", Role::kDecode), Now() + kLong).ok());
    prefill_member_ = std::make_unique<ClusterClient>(*store_, ClusterClientOptions{});
    CONCLAVE_CHECK(
        prefill_member_->Register(Member("prefill-0", Role::kPrefill), Now() + kLong).ok());
  }
  config.model_dir = TestModelDir();
  config.model_id = "test-model";
  config.http_port = 0;
  config.drain_s = 0;
  config.local_experts = with_workers;
  RouterDeps deps;
  deps.store = store_.get();
  deps.channels = channels_.get();
  auto router = RouterServer::Start(config, deps);
  CONCLAVE_CHECK(router.ok());
  router_ = std::move(*router);
  if (with_workers) CONCLAVE_CHECK(router_->WaitReady(Now() + kLong).ok());
}

RouterWorld::~RouterWorld() {
  router_->Stop();
  if (worker_server_ != nullptr) worker_server_->Shutdown(std::chrono::milliseconds(0));
}

void RouterWorld::SetScript(DecodeScript script) {
  MutexLock lock(worker_->mu_);
  worker_->script_ = std::move(script);
}

DecodeSpec RouterWorld::LastRequest() {
  MutexLock lock(worker_->mu_);
  const SteadyTime deadline = Now() + kLong;
  while (worker_->requests_ == 0 && worker_->changed_.WaitUntil(worker_->mu_, deadline)) {
  }
  const v1::DecodeRequest& request = worker_->request_;
  DecodeSpec spec;
  spec.request_id = request.request_id();
  spec.prompt_ids.assign(request.prompt_ids().begin(), request.prompt_ids().end());
  spec.temperature = request.sampling().temperature();
  spec.top_p = request.sampling().top_p();
  spec.seed = request.sampling().seed();
  spec.top_logprobs = request.sampling().top_logprobs();
  spec.max_tokens = request.max_tokens();
  spec.ignore_eos = request.ignore_eos();
  spec.prefill_addresses.assign(request.prefill_addresses().begin(),
                                request.prefill_addresses().end());
  return spec;
}

bool RouterWorld::WaitCancelled(int count) {
  MutexLock lock(worker_->mu_);
  const SteadyTime deadline = Now() + kLong;
  while (worker_->cancelled_ < count && worker_->changed_.WaitUntil(worker_->mu_, deadline)) {
  }
  return worker_->cancelled_ >= count;
}

double RouterWorld::Metric(const std::string& line) {
  const std::string text = "\n" + Fetch(http(), "GET", "/metrics").body;
  const size_t at = text.find("\n" + line + " ");
  return at == std::string::npos ? 0 : std::stod(text.substr(at + line.size() + 2));
}

bool RouterWorld::WaitMetric(const std::string& line, double value) {
  // Every look is a request of its own, which takes its time: no pause is needed in between.
  const SteadyTime deadline = Now() + kLong;
  while (Metric(line) != value) {
    if (Now() > deadline) return false;
  }
  return true;
}

}  // namespace conclave
