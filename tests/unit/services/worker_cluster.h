// All worker roles in one process, over the tiny golden model, for tests of the roles.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "common/client/workers/call_deadline.h"
#include "common/cluster/memory_store.h"
#include "common/engine/local_experts.h"
#include "common/transport/backends/inproc/inproc_transport.h"
#include "services/decode/server.h"
#include "services/expert_host/server.h"
#include "services/prefill/server.h"
#include "tests/unit/services/decode_stream.h"
#include "tests/unit/services/gated_experts.h"
#include "tests/unit/services/golden_case.h"

namespace conclave {

class WorkerCluster : public testing::Test {
 protected:
  static constexpr std::chrono::seconds kPatience{60};

  WorkerCluster()
      : store_(MakeMemoryStore()), hub_(MakeInprocHub()), channels_(network_.Channels()) {}

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
      deps.local_experts = std::make_unique<GatedExperts>(
          std::make_unique<LocalExperts>(SharedModel(), pool_), *gate);
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
  std::unique_ptr<PrefillServer> StartPrefill(PrefillConfig config, Gate* gate,
                                              WorkerDeps* deps = nullptr) {
    auto server =
        PrefillServer::Start(config, deps != nullptr ? std::move(*deps) : AttentionDeps(gate));
    EXPECT_TRUE(server.ok()) << server.status();
    if (!server.ok()) return nullptr;
    EXPECT_EQ((*server)->WaitReady(After(kPatience)), absl::OkStatus());
    return *std::move(server);
  }
  std::unique_ptr<DecodeServer> StartDecode(DecodeConfig config, Gate* gate,
                                            MetricRegistry* metrics = nullptr) {
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

  std::unique_ptr<DecodeStream> Open(const std::string& decode, const v1::DecodeRequest& request,
                                     std::chrono::milliseconds deadline = kPatience) {
    auto stream = std::make_unique<DecodeStream>();
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
