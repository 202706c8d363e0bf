#include "services/router/jobs/watch_readiness.h"

#include "common/base/log.h"

namespace conclave {
namespace {

std::string Join(const std::vector<std::string>& parts) {
  std::string out;
  for (const std::string& part : parts) out += (out.empty() ? "" : "; ") + part;
  return out;
}

}  // namespace

ReadinessWatcher::ReadinessWatcher(ClusterClient& cluster, const ModelConfig& model,
                                   bool local_experts, std::function<void(bool)> on_change)
    : cluster_(cluster),
      model_(model),
      local_experts_(local_experts),
      on_change_(std::move(on_change)) {
  subscription_ = cluster_.OnChange([this] { Refresh(); });
}

ReadinessWatcher::~ReadinessWatcher() { subscription_.reset(); }

ServingView ReadinessWatcher::View() const {
  return {cluster_.Members(Role::kRouter), cluster_.Members(Role::kPrefill),
          cluster_.Members(Role::kDecode), cluster_.Members(Role::kExpertHost),
          cluster_.Placement()};
}

std::vector<std::string> ReadinessWatcher::Missing() const {
  MutexLock lock(mu_);
  return missing_;
}

void ReadinessWatcher::Refresh() {
  std::vector<std::string> missing = MissingForService(View(), model_, local_experts_);
  bool changed = false;
  {
    MutexLock lock(mu_);
    changed = missing != missing_;
    missing_ = missing;
  }
  if (!changed) return;
  if (missing.empty()) {
    LogInfo("ready");
  } else {
    LogWarning("not ready", {{"missing", Join(missing)}});
  }
  on_change_(missing.empty());
  changed_.NotifyAll();
}

absl::Status ReadinessWatcher::WaitReady(SteadyTime deadline) const {
  MutexLock lock(mu_);
  while (!missing_.empty()) {
    if (!changed_.WaitUntil(mu_, deadline) && Now() >= deadline) {
      return missing_.empty() ? absl::OkStatus()
                              : DeadlineExceeded("the router is not ready: {}", Join(missing_));
    }
  }
  return absl::OkStatus();
}

}  // namespace conclave
