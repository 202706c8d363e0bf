#include "services/router/pipeline.h"

#include "services/router/generation.h"

namespace conclave {
namespace {

constexpr std::chrono::seconds kCancelWait{5};  // for cancelled calls to end

}  // namespace

Pipeline::Pipeline(const ModelAssets& model, WorkerSelector& workers, DecodeClient& decode,
                   RouterMetrics& metrics, const Options& options)
    : model_(model),
      workers_(workers),
      decode_(decode),
      metrics_(metrics),
      options_(options),
      pool_(options.tokenize_threads) {}

Pipeline::~Pipeline() = default;

std::shared_ptr<GenerationHandle> Pipeline::Start(GenerationRequest request,
                                                  std::shared_ptr<GenerationSink> sink) {
  auto generation = std::make_shared<Generation>(*this, std::move(request), sink);
  if (absl::Status admitted = Admit(generation); !admitted.ok()) {
    sink->OnError(admitted);
    return generation;
  }
  pool_.Submit([generation] { generation->Prepare(); });
  return generation;
}

absl::Status Pipeline::Admit(const std::shared_ptr<Generation>& generation) {
  MutexLock lock(mu_);
  if (draining_)
    return Unavailable("this router is shutting down; send the request to another one");
  if (in_flight_ >= options_.max_in_flight) {
    return ResourceExhausted(
        "{} generations are in flight, which is the limit (--max-in-flight); try again later",
        in_flight_);
  }
  running_.insert(generation);
  metrics_.in_flight.Set(++in_flight_);
  return absl::OkStatus();
}

void Pipeline::Release() {
  MutexLock lock(mu_);
  metrics_.in_flight.Set(--in_flight_);
}

void Pipeline::Remove(Generation* generation) {
  std::shared_ptr<Generation> kept;  // freed outside the lock
  MutexLock lock(mu_);
  const auto it = running_.find(generation->shared_from_this());
  if (it == running_.end()) return;
  kept = *it;
  running_.erase(it);
  changed_.NotifyAll();
}

bool Pipeline::WaitIdle(SteadyTime deadline) {
  MutexLock lock(mu_);
  while (!running_.empty()) {
    if (!changed_.WaitUntil(mu_, deadline) && Now() >= deadline) return running_.empty();
  }
  return true;
}

void Pipeline::Drain(SteadyTime deadline) {
  {
    MutexLock lock(mu_);
    draining_ = true;
  }
  if (WaitIdle(deadline)) return;
  std::set<std::shared_ptr<Generation>> left;
  {
    MutexLock lock(mu_);
    left = running_;
  }
  for (const auto& generation : left) {
    generation->CancelWith(
        Unavailable("this router is shutting down; send the request to another one"));
  }
  WaitIdle(After(kCancelWait));
}

}  // namespace conclave
