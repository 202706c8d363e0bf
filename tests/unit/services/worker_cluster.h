// All worker roles in one process, over the tiny golden model, for tests of the roles.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "common/base/mutex.h"
#include "common/client/workers/call_deadline.h"
#include "common/cluster/memory_store.h"
#include "common/engine/local_experts.h"
#include "common/rpc/status_convert.h"
#include "common/transport/backends/inproc/inproc_transport.h"
#include "proto/conclave/v1/decode.grpc.pb.h"
#include "services/decode/server.h"
#include "services/expert_host/server.h"
#include "services/prefill/server.h"

namespace conclave {

inline std::string GoldenDir() {
  return std::string(std::getenv("CONCLAVE_SOURCE_DIR")) + "/tests/golden/models/deepseek_v3-bf16";
}

struct Golden {
  std::vector<int32_t> prompt, greedy;
  static Golden Load() {
    std::ifstream file(GoldenDir() + "/golden.json");
    const auto json = nlohmann::json::parse(file);
    return {json["input_ids"].get<std::vector<int32_t>>(), json["greedy_tokens"].get<std::vector<int32_t>>()};
  }
};

// Local experts behind a gate: closed, every layer waits; broken, every layer fails.
class Gate {
 public:
  void Close() { Set(&closed_, true); }
  void Open() { Set(&closed_, false); }
  void Break(bool broken) { Set(&broken_, broken); }
  // Blocks until a layer waits at the closed gate.
  void AwaitArrival() {
    MutexLock lock(mu_);
    while (waiting_ == 0) ASSERT_TRUE(changed_.WaitUntil(mu_, After(std::chrono::seconds(30))));
  }
  absl::Status Pass() {
    MutexLock lock(mu_);
    ++waiting_;
    changed_.NotifyAll();
    while (closed_) changed_.WaitUntil(mu_, After(std::chrono::seconds(1)));
    --waiting_;
    return broken_ ? Unavailable("expert 3 of layer 2 has no replica left") : absl::OkStatus();
  }

 private:
  void Set(bool* flag, bool value) {
    MutexLock lock(mu_);
    *flag = value;
    changed_.NotifyAll();
  }
  Mutex mu_;
  CondVar changed_;
  bool closed_ = false, broken_ = false;
  int waiting_ = 0;
};

class GatedExperts : public ExpertBackend {
 public:
  GatedExperts(std::unique_ptr<ExpertBackend> inner, Gate& gate) : inner_(std::move(inner)), gate_(gate) {}
  absl::StatusOr<std::unique_ptr<ExpertCall>> Dispatch(const RoutedRows& rows, float* out) override {
    ASSIGN_OR_RETURN(std::unique_ptr<ExpertCall> call, inner_->Dispatch(rows, out));
    return std::unique_ptr<ExpertCall>(std::make_unique<Call>(std::move(call), gate_));
  }

 private:
  struct Call : ExpertCall {
    Call(std::unique_ptr<ExpertCall> inner, Gate& gate) : inner(std::move(inner)), gate(gate) {}
    absl::Status Wait() override {
      const absl::Status computed = inner->Wait();
      const absl::Status passed = gate.Pass();
      return computed.ok() ? passed : computed;
    }
    std::unique_ptr<ExpertCall> inner;
    Gate& gate;
  };
  std::unique_ptr<ExpertBackend> inner_;
  Gate& gate_;
};

struct Generated {
  std::vector<int32_t> ids;
  std::vector<float> logprobs;
  v1::FinishReason finish = v1::FINISH_REASON_UNSPECIFIED;
  absl::Status status;
  bool operator==(const Generated& other) const {
    return ids == other.ids && logprobs == other.logprobs && finish == other.finish && status == other.status;
  }
};

class WorkerCluster : public testing::Test {
 protected:
  static constexpr std::chrono::seconds kPatience{60};

  WorkerCluster() : store_(MakeMemoryStore()), hub_(MakeInprocHub()), channels_(network_.Channels()) {}

  // The golden model with all its experts, loaded once for all tests of a binary.
  static std::shared_ptr<const Model> SharedModel() {
    static const std::shared_ptr<const Model> model = [] {
      auto loaded = Model::Load(GoldenDir(), {.mode = ComputeMode::kF32});
      if (!loaded.ok()) ADD_FAILURE() << loaded.status();
      return loaded.ok() ? *loaded : nullptr;
    }();
    return model;
  }

  WorkerDeps Deps() {
    WorkerDeps deps;
    deps.store = store_.get();
    deps.transport = MakeInprocTransport(hub_);
    deps.channels = channels_.get();
    deps.in_process = &network_;
    deps.pool = &pool_;
    return deps;
  }
  // `gate`: experts inside the worker, behind it; null: expert hosts.
  WorkerDeps AttentionDeps(Gate* gate) {
    WorkerDeps deps = Deps();
    deps.model = SharedModel();
    if (gate != nullptr) {
      deps.local_experts = std::make_unique<GatedExperts>(std::make_unique<LocalExperts>(SharedModel(), pool_), *gate);
    }
    return deps;
  }
  static WorkerConfig Worker(const std::string& id) {
    WorkerConfig config;
    config.model_dir = GoldenDir();
    config.id = id;
    config.mode = "f32";
    config.kv_pages = 64;
    config.drain_s = 0;
    config.log_level = "error";
    return config;
  }

  std::unique_ptr<ExpertHostServer> StartExpertHost(const std::string& id, int replicas = 2) {
    ExpertHostConfig config{.worker = Worker(id)};
    config.expert_replicas = replicas;
    config.plan_debounce_ms = 0;
    auto server = ExpertHostServer::Start(config, Deps());
    EXPECT_TRUE(server.ok()) << server.status();
    return server.ok() ? *std::move(server) : nullptr;
  }
  std::unique_ptr<PrefillServer> StartPrefill(PrefillConfig config, Gate* gate, WorkerDeps* deps = nullptr) {
    auto server = PrefillServer::Start(config, deps != nullptr ? std::move(*deps) : AttentionDeps(gate));
    EXPECT_TRUE(server.ok()) << server.status();
    if (!server.ok()) return nullptr;
    EXPECT_EQ((*server)->WaitReady(After(kPatience)), absl::OkStatus());
    return *std::move(server);
  }
  std::unique_ptr<DecodeServer> StartDecode(DecodeConfig config, Gate* gate, MetricRegistry* metrics = nullptr) {
    WorkerDeps deps = AttentionDeps(gate);
    deps.metrics = metrics;
    auto server = DecodeServer::Start(config, std::move(deps));
    EXPECT_TRUE(server.ok()) << server.status();
    if (!server.ok()) return nullptr;
    EXPECT_EQ((*server)->WaitReady(After(kPatience)), absl::OkStatus());
    return *std::move(server);
  }

  static v1::DecodeRequest Request(const std::vector<int32_t>& prompt, int max_tokens,
                                   const std::vector<std::string>& prefill = {"prefill"}) {
    v1::DecodeRequest request;
    request.set_request_id("test");
    request.mutable_prompt_ids()->Add(prompt.begin(), prompt.end());
    request.mutable_sampling()->set_temperature(0);
    request.mutable_sampling()->set_top_p(1);
    request.set_max_tokens(static_cast<uint32_t>(max_tokens));
    request.set_ignore_eos(true);
    for (const std::string& address : prefill) request.add_prefill_addresses(address);
    return request;
  }

  // One stream, read by hand.
  struct Stream {
    std::unique_ptr<v1::Decode::Stub> stub;
    grpc::ClientContext context;
    std::unique_ptr<grpc::ClientReader<v1::DecodeResponse>> reader;
    Generated result;

    bool ReadToken() {
      v1::DecodeResponse response;
      if (!reader->Read(&response)) return false;
      for (const v1::Token& token : response.tokens()) {
        result.ids.push_back(token.id());
        result.logprobs.push_back(token.logprob());
      }
      result.finish = response.finish();
      return true;
    }
    Generated ReadAll() {
      while (ReadToken()) {
      }
      result.status = FromGrpc(reader->Finish());
      return result;
    }
  };
  std::unique_ptr<Stream> Open(const std::string& decode, const v1::DecodeRequest& request,
                               std::chrono::milliseconds deadline = kPatience) {
    auto stream = std::make_unique<Stream>();
    stream->stub = v1::Decode::NewStub(channels_->Get(decode));
    SetCallDeadline(stream->context, After(deadline));
    stream->reader = stream->stub->Generate(&stream->context, request);
    return stream;
  }
  Generated Generate(const v1::DecodeRequest& request, const std::string& decode = "decode") {
    return Open(decode, request)->ReadAll();
  }

  const Golden golden_ = Golden::Load();
  const std::unique_ptr<MemoryStore> store_;
  const std::shared_ptr<InprocHub> hub_;
  InProcessNetwork network_;
  const std::unique_ptr<ChannelProvider> channels_;
  ThreadPool pool_{2};
};

// The value of a line of /metrics that starts with `name`; -1 when there is none.
inline double MetricValue(MetricRegistry& metrics, const std::string& name) {
  const std::string text = metrics.Text();
  size_t at = 0;
  while ((at = text.find(name, at)) != std::string::npos) {
    if ((at == 0 || text[at - 1] == '\n') && text[at + name.size()] == ' ') {
      return std::stod(text.substr(at + name.size()));
    }
    at += name.size();
  }
  return -1;
}

}  // namespace conclave
