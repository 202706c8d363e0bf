// The one path of every generation, whichever front door it came through: admit, validate, render,
// tokenize, place, decode, detokenize, split, stop.
#pragma once

#include <memory>
#include <set>

#include "common/base/mutex.h"
#include "common/client/decode/decode_client.h"
#include "services/router/metrics.h"
#include "services/router/model_assets.h"
#include "services/router/request.h"
#include "services/router/task_pool.h"
#include "services/router/workers.h"

namespace conclave {

class Generation;

// A running generation, for its front door. Dropping the handle does not stop it.
class GenerationHandle {
 public:
  virtual ~GenerationHandle() = default;
  // The client left: the decode worker is told to stop. The sink still gets its last call.
  // Idempotent, from any thread.
  virtual void Cancel() = 0;
};

// Thread-safe. References must outlive it.
class Pipeline {
 public:
  struct Options {
    int max_in_flight = 256;
    int tokenize_threads = 2;
  };
  Pipeline(const ModelAssets& model, WorkerSelector& workers, DecodeClient& decode,
           RouterMetrics& metrics, const Options& options);
  ~Pipeline();  // after Drain

  // Returns at once. `sink` gets everything else; overload, for example, as ResourceExhausted,
  // possibly before the return. request.deadline bounds the generation.
  std::shared_ptr<GenerationHandle> Start(GenerationRequest request,
                                          std::shared_ptr<GenerationSink> sink);

  // From now on Start refuses with Unavailable. Waits for the running ones until `deadline`, then
  // cancels them with Unavailable and waits for their ends.
  void Drain(SteadyTime deadline);

 private:
  friend class Generation;
  absl::Status Admit(const std::shared_ptr<Generation>& generation);
  // Frees the place of an admitted generation: before its last event, so that a client which got
  // its answer finds room for the next request.
  void Release();
  // Its last callback ran.
  void Remove(Generation* generation);
  bool WaitIdle(SteadyTime deadline);

  const ModelAssets& model_;
  WorkerSelector& workers_;
  DecodeClient& decode_;
  RouterMetrics& metrics_;
  const Options options_;

  Mutex mu_;
  CondVar changed_;
  bool draining_ GUARDED_BY(mu_) = false;
  int in_flight_ GUARDED_BY(mu_) = 0;  // admitted and not released
  std::set<std::shared_ptr<Generation>> running_ GUARDED_BY(mu_);
  TaskPool pool_;
};

}  // namespace conclave
