// Expert hosts joining and leaving: who plans, who loads, who is told.
#include <unistd.h>

#include "common/base/progress.h"
#include "common/client/cluster/cluster_client.h"
#include "common/client/workers/expert_client.h"
#include "services/expert_host/state.h"
#include "services/expert_host/widen_placement.h"
#include "tests/unit/services/worker_cluster.h"

namespace conclave {
namespace {

class HostTest : public WorkerCluster {
 protected:
  HostTest()
      : watcher_(*store_, {}),
        client_(MakeExpertClient(*channels_, Self(SharedModel()->fingerprint()))) {
    follow_ = watcher_.OnChange([this] {
      MutexLock lock(mu_);
      changed_.NotifyAll();
    });
  }
  PeerIdentity Self(uint64_t fingerprint) {
    return {.id = "test",
            .incarnation = peer_->incarnation(),
            .transport_address = peer_->Address(),
            .fingerprint = fingerprint};
  }
  // Blocks until the published map names exactly these hosts, with no copy that awaits its load.
  std::shared_ptr<const PlacementMap> AwaitMap(const std::vector<std::string>& ids) {
    const SteadyTime deadline = After(kPatience);
    MutexLock lock(mu_);
    while (true) {
      auto map = watcher_.Placement();
      std::vector<std::string> named;
      for (const PlacementHost& host : HostsOf(*map)) named.push_back(host.id);
      if (named == ids && Settled(*map)) return map;
      if (!changed_.WaitUntil(mu_, deadline) && Now() >= deadline) {
        ADD_FAILURE() << "epoch " << map->epoch << " names " << testing::PrintToString(named);
        return map;
      }
    }
  }
  static bool Settled(const PlacementMap& map) {
    for (const auto& layer : map.layers) {
      for (const auto& expert : layer) {
        for (const ExpertReplica& replica : expert) {
          if (replica.share == 0) return false;
        }
      }
    }
    return true;
  }
  int MoeExperts() const {
    const ModelConfig& config = SharedModel()->config();
    return (config.TotalLayers() - config.first_k_dense_replace) * config.num_routed_experts;
  }
  ExpertHostStatus Status(const ExpertHostServer& host) {
    const auto status = client_->Status(host.address(), After(kPatience));
    EXPECT_TRUE(status.ok()) << status.status();
    return status.ok() ? *status : ExpertHostStatus{};
  }

  std::unique_ptr<Transport> peer_ = MakeInprocTransport(hub_);
  Mutex mu_;
  CondVar changed_;
  ClusterClient watcher_;
  std::unique_ptr<ExpertClient> client_;
  std::shared_ptr<void> follow_;
};

TEST_F(HostTest, OneHostGetsEveryExpert) {
  auto host = StartExpertHost("a");
  ASSERT_EQ(host->WaitReady(After(kPatience)), absl::OkStatus());
  const auto map = AwaitMap({"a"});
  EXPECT_EQ(
      ValidatePlacement(*map, {.layers = SharedModel()->config().TotalLayers(),
                               .first_moe_layer = SharedModel()->config().first_k_dense_replace,
                               .experts = SharedModel()->config().num_routed_experts}),
      absl::OkStatus());
  const ExpertHostStatus status = Status(*host);
  EXPECT_EQ(status.epoch, map->epoch);
  EXPECT_EQ(status.hosted_experts, static_cast<uint32_t>(MoeExperts()));
  EXPECT_GT(status.resident_bytes, 0);
}

TEST_F(HostTest, TellsAParentHowFarLoadingIs) {
  ExpertHostConfig config{.worker = Worker("a")};
  config.plan_debounce_ms = 0;
  config.worker.progress_file = testing::TempDir() + "host_progress_" + std::to_string(getpid());
  auto host = ExpertHostServer::Start(config, Deps());
  ASSERT_TRUE(host.ok()) << host.status();
  ASSERT_EQ((*host)->WaitReady(After(kPatience)), absl::OkStatus());
  const std::optional<Progress> progress = ReadProgressFile(config.worker.progress_file);
  ASSERT_TRUE(progress.has_value());
  EXPECT_GT(progress->total_bytes, 0);
  EXPECT_EQ(progress->done_bytes, progress->total_bytes);
  unlink(config.worker.progress_file.c_str());
}

TEST_F(HostTest, TwoHostsHoldEveryExpertTwiceAndTheSurvivorGoesOn) {
  auto a = StartExpertHost("a");
  ASSERT_EQ(a->WaitReady(After(kPatience)), absl::OkStatus());
  auto b = StartExpertHost("b");
  const auto both = AwaitMap({"a", "b"});
  ASSERT_EQ(b->WaitReady(After(kPatience)), absl::OkStatus());
  EXPECT_EQ(Status(*a).hosted_experts, static_cast<uint32_t>(MoeExperts()));
  EXPECT_EQ(Status(*b).hosted_experts, static_cast<uint32_t>(MoeExperts()));
  a.reset();  // the leader leaves: the other one is elected and plans
  const auto one = AwaitMap({"b"});
  EXPECT_GT(one->epoch, both->epoch);
  EXPECT_EQ(b->WaitReady(After(kPatience)), absl::OkStatus());
}

TEST_F(HostTest, SingleCopiesMoveWithoutAGap) {
  auto a = StartExpertHost("a", /*replicas=*/1);
  ASSERT_EQ(a->WaitReady(After(kPatience)), absl::OkStatus());
  const auto before = AwaitMap({"a"});
  auto b = StartExpertHost("b", /*replicas=*/1);
  const auto after = AwaitMap({"a", "b"});
  // A wide map came between: the traffic moved only after the new copies were loaded.
  EXPECT_EQ(after->epoch, before->epoch + 2);
  const uint32_t half = static_cast<uint32_t>(MoeExperts() / 2);
  EXPECT_EQ(Status(*b).hosted_experts, half);
  // What moved away is kept for clients that still follow the map before.
  EXPECT_EQ(Status(*a).hosted_experts, 2 * half);
}

TEST_F(HostTest, HelloOfAnotherFingerprintIsRefusedNamingBoth) {
  auto host = StartExpertHost("a");
  ASSERT_EQ(host->WaitReady(After(kPatience)), absl::OkStatus());
  EXPECT_TRUE(client_->Hello("a", After(kPatience)).ok());
  const uint64_t ours = SharedModel()->fingerprint();
  auto stranger = MakeExpertClient(*channels_, Self(ours ^ 1));
  const auto refused = stranger->Hello("a", After(kPatience));
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_NE(Message(refused.status()).find(fmt::format("{:016x}", ours)), std::string::npos)
      << refused.status();
  EXPECT_NE(Message(refused.status()).find(fmt::format("{:016x}", ours ^ 1)), std::string::npos)
      << refused.status();
}

TEST_F(HostTest, IncompleteHelloIsRefused) {
  auto host = StartExpertHost("a");
  ASSERT_EQ(host->WaitReady(After(kPatience)), absl::OkStatus());
  PeerIdentity nobody = Self(SharedModel()->fingerprint());
  nobody.incarnation = 0;
  EXPECT_EQ(MakeExpertClient(*channels_, nobody)->Hello("a", After(kPatience)).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST_F(HostTest, MissingCheckpointIsAClearError) {
  ExpertHostConfig config{.worker = Worker("a")};
  config.worker.model_dir = "/nowhere/at/all";
  const auto server = ExpertHostServer::Start(config, Deps());
  ASSERT_FALSE(server.ok());
  EXPECT_NE(Message(server.status()).find("/nowhere/at/all"), std::string::npos) << server.status();
}

TEST(ExpertHostStateTest, ReadyOnlyOnceEverythingAssignedIsLoaded) {
  ExpertHostState state;
  EXPECT_EQ(state.Ready().code(), absl::StatusCode::kUnavailable);
  state.SetLoading(1, 3, 8);
  EXPECT_NE(Message(state.Ready()).find("3 of 8"), std::string::npos);
  state.SetLoaded(1, 0);  // a map without us
  EXPECT_EQ(state.Ready().code(), absl::StatusCode::kUnavailable);
  state.SetLoaded(2, 8);
  EXPECT_EQ(state.Ready(), absl::OkStatus());
  EXPECT_EQ(state.epoch(), 2u);
  state.SetLoading(3, 0, 9);  // more to come, what is there goes on serving
  EXPECT_EQ(state.Ready(), absl::OkStatus());
}

}  // namespace
}  // namespace conclave
