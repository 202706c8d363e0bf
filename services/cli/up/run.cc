#include "services/cli/up/run.h"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>
#include <optional>
#include <thread>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/progress.h"
#include "common/model/model_config.h"
#include "services/cli/commands/chat.h"
#include "services/cli/up/local_cluster.h"

namespace conclave {
namespace {

constexpr int kChatEnded = SIGUSR1;

// The signals that this thread waits for: stop requests, ended children, the end of the chat
// thread.
sigset_t WaitedSignals() {
  sigset_t set;
  sigemptyset(&set);
  for (int signal : {SIGINT, SIGTERM, SIGHUP, SIGCHLD, kChatEnded}) sigaddset(&set, signal);
  return set;
}

bool IsStop(int signal) { return signal == SIGINT || signal == SIGTERM || signal == SIGHUP; }

// The next waited signal, or 0 after `wait`.
int NextSignal(std::chrono::milliseconds wait) {
  const sigset_t set = WaitedSignals();
  const timespec timeout{wait.count() / 1000, (wait.count() % 1000) * 1000000};
  const int signal = sigtimedwait(&set, nullptr, &timeout);
  return signal > 0 ? signal : 0;
}

void WriteReadyFile(const LocalCluster& cluster, const std::string& path) {
  nlohmann::json json = {{"http", cluster.http_address()},
                         {"grpc", cluster.grpc_address()},
                         {"etcd", cluster.etcd_address()},
                         {"log_dir", cluster.log_dir()},
                         {"pid", getpid()}};
  for (const ChildProcess* child : cluster.Processes())
    json["processes"][child->name()]["pid"] = child->pid();
  for (const MemberInfo& member : cluster.Members()) {
    json["processes"][member.id]["grpc"] = member.grpc_address;
    json["processes"][member.id]["http"] = member.http_address;
  }
  // Written beside and renamed, so that a reader never sees half of it.
  const std::string partial = path + ".partial";
  std::ofstream(partial) << json.dump(2) << "\n";
  rename(partial.c_str(), path.c_str());
}

void PrintEndpoints(const LocalCluster& cluster, double seconds) {
  std::fprintf(stderr, "conclave is ready after %.1f s\n\n", seconds);
  std::fprintf(stderr, "  OpenAI API   http://%s/v1/chat/completions\n",
               cluster.http_address().c_str());
  std::fprintf(stderr, "  status page  http://%s/\n", cluster.http_address().c_str());
  std::fprintf(stderr, "  gRPC         %s  (conclave.v1.Inference)\n",
               cluster.grpc_address().c_str());
  std::fprintf(stderr, "  etcd         %s\n\n", cluster.etcd_address().c_str());
  std::fprintf(stderr, "  %-16s %8s  %-21s %s\n", "process", "pid", "gRPC", "metrics");
  const std::vector<MemberInfo> members = cluster.Members();
  for (const ChildProcess* child : cluster.Processes()) {
    std::string grpc, http;
    for (const MemberInfo& member : members) {
      if (member.id == child->name()) grpc = member.grpc_address, http = member.http_address;
    }
    std::fprintf(stderr, "  %-16s %8d  %-21s %s\n", child->name().c_str(), child->pid(),
                 grpc.c_str(), http.c_str());
  }
  std::fprintf(stderr, "\n  logs         %s\n\n", cluster.log_dir().c_str());
}

void PrintNotReady(const LocalCluster& cluster, const UpConfig& config) {
  const std::string missing = cluster.Missing();
  std::fprintf(stderr,
               "conclave up: not ready and nothing loaded for %d s: %s (logs: %s; keep them with "
               "--log-dir)\n",
               config.start_timeout_s,
               missing.empty() ? "the router does not serve" : missing.c_str(),
               cluster.log_dir().c_str());
  for (const ChildProcess* child : cluster.Processes()) {
    std::fprintf(stderr, "  %s:\n%s", child->name().c_str(), LogTail(child->log_path(), 3).c_str());
  }
}

// Waits until the cluster is ready, with the roles' loading on the terminal: 0, or the exit status
// to end with. The deadline moves as long as they load.
int WaitReady(LocalCluster& cluster, const UpConfig& config, SteadyTime deadline) {
  ProgressMeter meter("loading", ChooseProgressStyle(STDERR_FILENO, /*json_logs=*/false),
                      [](std::string_view text) {
                        std::fwrite(text.data(), 1, text.size(), stderr);
                        std::fflush(stderr);
                      });
  int64_t loaded_bytes = 0;
  while (true) {
    const int signal = NextSignal(std::chrono::milliseconds(20));
    const absl::StatusOr<bool> ready = IsStop(signal) ? false : cluster.CheckReady();
    const Progress loading = cluster.Loading();
    if (loading.total_bytes > 0) meter.Update(loading);
    if (loading.done_bytes > loaded_bytes) {
      loaded_bytes = loading.done_bytes;
      deadline = std::max(deadline, After(std::chrono::seconds(config.start_timeout_s)));
    }
    const bool late = Now() > deadline;
    if (!IsStop(signal) && ready.ok() && !*ready && !late) continue;
    meter.Finish();
    if (IsStop(signal)) return 128 + signal;
    if (!ready.ok()) {
      std::fprintf(stderr, "conclave up: %s\n", Message(ready.status()).c_str());
      return 1;
    }
    if (*ready) return 0;
    PrintNotReady(cluster, config);
    return 1;
  }
}

// Watches until a stop signal (then its number) or the end of the chat (0).
int Supervise(LocalCluster& cluster) {
  while (true) {
    const int signal = NextSignal(std::chrono::hours(1));
    if (IsStop(signal)) return signal;
    if (signal == kChatEnded) return 0;
    for (const std::string& ended : cluster.ReapEnded()) {
      std::fprintf(stderr, "\nconclave up: %s\n", ended.c_str());
      std::fprintf(stderr, "conclave up: the other processes go on; Ctrl-C stops them\n");
    }
  }
}

ChatOptions MakeChatOptions(const LocalCluster& cluster, const UpConfig& config) {
  ChatOptions options;
  options.address = cluster.grpc_address();
  options.show_reasoning = config.prompt.empty() || config.show_reasoning;
  if (!config.prompt.empty()) {
    options.prompt = config.prompt;
    options.temperature = 0;
  }
  return options;
}

}  // namespace

int RunUp(const std::vector<std::string>& args) {
  UpConfig config;
  ConfigParser parser("up", "Starts etcd and every role as processes on this machine.");
  BindUpConfig(parser, config);
  bool exit_now = false;
  if (absl::Status status = parser.Parse(args, &exit_now); !status.ok()) {
    std::fprintf(stderr, "conclave up: %s\n", Message(status).c_str());
    return 2;
  }
  if (exit_now) return 0;
  SetLogRole("up");
  SetLogLevel(LogLevel::kWarning);

  const sigset_t waited = WaitedSignals();
  pthread_sigmask(SIG_BLOCK, &waited, nullptr);
  signal(SIGPIPE, SIG_IGN);

  const SteadyTime start = Now();
  const SteadyTime deadline = start + std::chrono::seconds(config.start_timeout_s);
  absl::StatusOr<ModelConfig> model = LoadModelConfig(config.model_dir);
  if (!model.ok()) {
    std::fprintf(stderr, "conclave up: %s\n", Message(model.status()).c_str());
    return 1;
  }
  if (!model->HasExperts()) config.expert_hosts = 0;
  LocalCluster cluster(config);
  if (absl::Status status = cluster.Start(deadline); !status.ok()) {
    std::fprintf(stderr, "conclave up: %s\n", Message(status).c_str());
    return 1;
  }
  if (const int exit_status = WaitReady(cluster, config, deadline); exit_status != 0)
    return exit_status;
  if (!config.ready_file.empty()) WriteReadyFile(cluster, config.ready_file);
  if (config.prompt.empty()) PrintEndpoints(cluster, SecondsSince(start));

  const bool chat = !config.prompt.empty() || (!config.no_chat && isatty(STDIN_FILENO) == 1);
  if (!chat) {
    std::fprintf(stderr, "Ctrl-C stops everything.\n");
    const int signal = Supervise(cluster);
    return signal == SIGINT || signal == SIGTERM ? 0 : 128 + signal;
  }

  std::atomic<int> chat_status{1};
  std::thread chat_thread([&, options = MakeChatOptions(cluster, config)] {
    chat_status = RunChat(options, std::cin, std::cout, std::cerr);
    std::cout.flush();
    kill(getpid(), kChatEnded);
  });
  if (const int signal = Supervise(cluster); signal != 0) {
    // The chat thread may sit in a read of the terminal that nothing ends: stop the cluster, then
    // leave without waiting for it.
    cluster.Stop();
    std::fputs("\n", stderr);
    _exit(128 + signal);
  }
  chat_thread.join();
  return chat_status;
}

}  // namespace conclave
