#include "services/cli/up/local_cluster.h"

#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "common/cluster/etcd/etcd_store.h"
#include "common/rpc/health_client.h"
#include "services/cli/up/free_port.h"

namespace conclave {
namespace {

constexpr std::chrono::seconds kStopGrace{3};

absl::StatusOr<std::string> MakeRunDir() {
  std::string path = (std::filesystem::temp_directory_path() / "conclave-up-XXXXXX").string();
  if (mkdtemp(path.data()) == nullptr)
    return Unavailable("cannot make a temporary folder {}", path);
  return path;
}

}  // namespace

LocalCluster::~LocalCluster() { Stop(); }

absl::Status LocalCluster::Start(SteadyTime deadline) {
  if (absl::Status status = CheckPortFree(config_.host, config_.http_port); !status.ok()) {
    return AlreadyExists(
        "the HTTP port is in use ({}); choose another with --http-port N, 0 for a free one",
        Message(status));
  }
  ASSIGN_OR_RETURN(run_dir_, MakeRunDir());
  log_dir_ = config_.log_dir.empty() ? run_dir_ : config_.log_dir;
  std::error_code error;
  std::filesystem::create_directories(log_dir_, error);
  if (error) return Unavailable("cannot make the log folder {}: {}", log_dir_, error.message());
  RETURN_IF_ERROR(StartEtcd(deadline));
  return StartRoles();
}

absl::Status LocalCluster::Spawn(const std::string& name, std::vector<std::string> argv) {
  ASSIGN_OR_RETURN(
      ChildProcess child,
      ChildProcess::Spawn({name, std::move(argv), fmt::format("{}/{}.log", log_dir_, name)}));
  children_.push_back(std::make_unique<ChildProcess>(std::move(child)));
  return absl::OkStatus();
}

absl::Status LocalCluster::StartEtcd(SteadyTime deadline) {
  // The ports are chosen before etcd binds them, so another process may be faster: try again then.
  absl::Status last;
  for (int attempt = 0; attempt < 3; ++attempt) {
    ASSIGN_OR_RETURN(const int client_port, FreePort(config_.host));
    ASSIGN_OR_RETURN(const int peer_port, FreePort(config_.host));
    const std::string client = fmt::format("http://{}:{}", config_.host, client_port);
    const std::string peer = fmt::format("http://{}:{}", config_.host, peer_port);
    etcd_address_ = fmt::format("{}:{}", config_.host, client_port);
    // The state of a local cluster dies with it, so nothing needs to reach the disk.
    RETURN_IF_ERROR(Annotate(
        Spawn("etcd", {config_.etcd, "--name", "local", "--data-dir",
                       fmt::format("{}/etcd-{}", run_dir_, attempt), "--listen-client-urls", client,
                       "--advertise-client-urls", client, "--listen-peer-urls", peer,
                       "--initial-advertise-peer-urls", peer, "--initial-cluster", "local=" + peer,
                       "--unsafe-no-fsync", "--logger", "zap"}),
        "etcd keeps the cluster's state (Debian package etcd-server; --etcd names another "
        "program)"));
    const SteadyTime attempt_deadline = std::min(deadline, After(std::chrono::seconds(10)));
    while (Now() < attempt_deadline && !children_.back()->Reap()) {
      absl::StatusOr<std::unique_ptr<Store>> store = ConnectEtcd(
          etcd_address_, std::min(attempt_deadline, After(std::chrono::milliseconds(500))));
      if (store.ok()) {
        store_ = std::move(*store);
        cluster_ = std::make_unique<ClusterClient>(*store_, ClusterClientOptions{});
        channels_ = MakeNetworkChannels();
        return absl::OkStatus();
      }
      last = store.status();
      usleep(20000);
    }
    if (!children_.back()->running()) last = Unavailable("it {}", children_.back()->EndText());
    StopChildren({children_.back().get()}, kStopGrace);
    children_.pop_back();
  }
  return Unavailable("etcd did not start: {}\n{}", Message(last),
                     LogTail(log_dir_ + "/etcd.log", 5));
}

std::string LocalCluster::ProgressFile(const std::string& id) const {
  return fmt::format("{}/{}.progress", run_dir_, id);
}

Progress LocalCluster::Loading() const {
  Progress sum;
  for (const std::unique_ptr<ChildProcess>& child : children_) {
    const std::optional<Progress> one = ReadProgressFile(ProgressFile(child->name()));
    if (!one) continue;
    sum.done_bytes += one->done_bytes;
    sum.total_bytes += one->total_bytes;
  }
  return sum;
}

std::vector<std::string> LocalCluster::RoleArgs(const std::string& role,
                                                const std::string& id) const {
  std::vector<std::string> args = {std::filesystem::read_symlink("/proc/self/exe").string(),
                                   role,
                                   "--id",
                                   id,
                                   "--model",
                                   config_.model_dir,
                                   "--etcd",
                                   etcd_address_,
                                   "--host",
                                   config_.host,
                                   "--log-level",
                                   config_.log_level};
  if (role == "router") {
    args.insert(args.end(), {"--http-port", std::to_string(config_.http_port)});
    if (!config_.model_id.empty()) args.insert(args.end(), {"--model-id", config_.model_id});
    return args;
  }
  args.insert(args.end(),
              {"--mode", config_.mode, "--kv-cache", config_.kv_cache, "--ucx-spin-us",
               std::to_string(config_.ucx_spin_us), "--progress-file", ProgressFile(id)});
  if (config_.threads > 0) args.insert(args.end(), {"--threads", std::to_string(config_.threads)});
  if (role == "expert-host") {
    args.insert(args.end(), {"--expert-replicas", std::to_string(config_.expert_replicas)});
  } else if (config_.kv_pages > 0) {
    args.insert(args.end(), {"--kv-pages", std::to_string(config_.kv_pages)});
  }
  return args;
}

absl::Status LocalCluster::StartRoles() {
  const auto start = [this](const std::string& role, int count) -> absl::Status {
    for (int i = 0; i < count; ++i) {
      const std::string id = fmt::format("{}-{}", role, i);
      RETURN_IF_ERROR(Spawn(id, RoleArgs(role, id)));
    }
    return absl::OkStatus();
  };
  RETURN_IF_ERROR(start("expert-host", config_.expert_hosts));
  RETURN_IF_ERROR(start("prefill", config_.prefill));
  RETURN_IF_ERROR(start("decode", config_.decode));
  return start("router", 1);
}

absl::StatusOr<bool> LocalCluster::CheckReady() {
  for (const std::unique_ptr<ChildProcess>& child : children_) {
    child->Reap();
    if (!child->running()) {
      return Unavailable("{} {} while starting\n{}", child->name(), child->EndText(),
                         LogTail(child->log_path(), 5));
    }
  }
  if (!Missing().empty()) return false;
  const absl::StatusOr<bool> serving =
      CheckHealth(channels_->Get(grpc_address()), After(std::chrono::milliseconds(500)));
  return serving.ok() && *serving;
}

std::string LocalCluster::Missing() const {
  const std::pair<Role, int> wanted[] = {{Role::kExpertHost, config_.expert_hosts},
                                         {Role::kPrefill, config_.prefill},
                                         {Role::kDecode, config_.decode},
                                         {Role::kRouter, 1}};
  std::string missing;
  for (const auto& [role, count] : wanted) {
    const int there = static_cast<int>(cluster_->Members(role).size());
    if (there < count)
      missing +=
          fmt::format("{}{} of {} {}", missing.empty() ? "" : ", ", there, count, RoleName(role));
  }
  return missing;
}

std::vector<std::string> LocalCluster::ReapEnded() {
  std::vector<std::string> ended;
  for (const std::unique_ptr<ChildProcess>& child : children_) {
    if (!child->Reap()) continue;
    ended.push_back(fmt::format("{} (pid {}) {}; log: {}", child->name(), child->pid(),
                                child->EndText(), child->log_path()));
  }
  return ended;
}

void LocalCluster::Stop() {
  cluster_.reset();
  channels_.reset();
  // Roles first, so that they can still withdraw; etcd last.
  std::vector<ChildProcess*> roles;
  for (size_t i = 1; i < children_.size(); ++i) roles.push_back(children_[i].get());
  StopChildren(roles, kStopGrace);
  store_.reset();
  if (!children_.empty()) StopChildren({children_[0].get()}, kStopGrace);
  children_.clear();
  if (!run_dir_.empty()) {
    std::error_code ignored;
    std::filesystem::remove_all(run_dir_, ignored);
    run_dir_.clear();
  }
}

std::vector<MemberInfo> LocalCluster::Members() const {
  std::vector<MemberInfo> all;
  for (Role role : {Role::kRouter, Role::kPrefill, Role::kDecode, Role::kExpertHost}) {
    for (MemberInfo& member : cluster_->Members(role)) all.push_back(std::move(member));
  }
  return all;
}

std::vector<const ChildProcess*> LocalCluster::Processes() const {
  std::vector<const ChildProcess*> all;
  for (const std::unique_ptr<ChildProcess>& child : children_) all.push_back(child.get());
  return all;
}

std::string LocalCluster::http_address() const {
  const std::vector<MemberInfo> routers = cluster_->Members(Role::kRouter);
  return routers.empty() ? "" : routers[0].http_address;
}

std::string LocalCluster::grpc_address() const {
  const std::vector<MemberInfo> routers = cluster_->Members(Role::kRouter);
  return routers.empty() ? "" : routers[0].grpc_address;
}

}  // namespace conclave
