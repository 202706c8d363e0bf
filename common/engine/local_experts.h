// Routed experts computed in this process.
#pragma once

#include <memory>

#include "common/concurrency/thread_pool.h"
#include "common/engine/expert_backend.h"
#include "common/engine/model.h"

namespace conclave {

// Thread-safe: calls are computed one after the other on the pool. `model` must have been loaded with
// experts. InvalidArgument for a layer without experts, an expert or row out of range or another mode.
class LocalExperts : public ExpertBackend {
 public:
  LocalExperts(std::shared_ptr<const Model> model, ThreadPool& pool);
  ~LocalExperts() override;
  absl::StatusOr<std::unique_ptr<ExpertCall>> Dispatch(const RoutedRows& rows, float* out) override;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace conclave
