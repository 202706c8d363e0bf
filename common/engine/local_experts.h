// Routed experts computed in this process.
#pragma once

#include <memory>

#include "common/concurrency/thread_pool.h"
#include "common/engine/expert_backend.h"
#include "common/engine/expert_store.h"
#include "common/engine/model.h"

namespace conclave {

// Thread-safe: calls are computed on the pool, in Wait. Each pick's answer depends on its row and
// expert only. InvalidArgument for a layer without experts, an expert or row out of range or
// another mode; FailedPrecondition naming the first expert that the store does not hold. Counts
// tokens in the store.
class LocalExperts : public ExpertBackend {
 public:
  // A shared store, because the owner loads and unloads experts meanwhile. `pool` must outlive it.
  LocalExperts(std::shared_ptr<ExpertStore> store, ThreadPool& pool);
  LocalExperts(std::shared_ptr<const Model> model, ThreadPool& pool);  // the model's own store
  ~LocalExperts() override;
  absl::StatusOr<std::unique_ptr<ExpertCall>> Dispatch(const RoutedRows& rows, float* out) override;

 private:
  friend class LocalCall;
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace conclave
