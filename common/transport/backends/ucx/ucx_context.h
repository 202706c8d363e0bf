// One UCP context and worker, set up for event-driven active messages; owns both.
#pragma once

#include <ucp/api/ucp.h>

#include <memory>
#include <string>

#include "common/base/status.h"
#include "common/transport/backends/ucx/ucx_transport.h"

namespace conclave {

// Used by one thread at a time.
class UcxContext {
 public:
  // Unavailable with UCX's reason and the settings that led to it.
  static absl::StatusOr<std::unique_ptr<UcxContext>> Create(const UcxOptions& options);
  ~UcxContext();

  ucp_worker_h worker() const { return worker_; }
  int event_fd() const { return event_fd_; }  // readable when an armed worker has work; UCX's
  // The worker's own address.
  const std::string& address() const { return address_; }
  // Lets the worker live on for the rest of the process: destroying one with unfinished requests
  // aborts.
  void Abandon() { abandoned_ = true; }

 private:
  UcxContext() = default;
  ucp_context_h context_ = nullptr;
  ucp_worker_h worker_ = nullptr;
  int event_fd_ = -1;
  std::string address_;
  bool abandoned_ = false;
};

}  // namespace conclave
