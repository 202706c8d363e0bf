// Independent pieces of a long job, such as the tensors of a model, over some threads.
#pragma once

#include <functional>

#include "common/base/status.h"

namespace conclave {

// Calls task(0) .. task(count - 1), each at most once and started in order, on up to `threads`
// threads, of which the caller is one. After a failure no more are started. Returns the failure of
// the lowest number: the one at which a plain loop would have stopped. `threads` 0: as many as this
// process may use cores.
absl::Status RunTasks(int threads, int count, const std::function<absl::Status(int task)>& task);

}  // namespace conclave
