// Which worker takes a request: the one with the most room. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace conclave {

struct WorkerLoad {
  std::string id;  // member id, unique within the list
  int in_flight =
      0;  // sequences (decode) or prompts (prefill) that it works on or holds in its queue
  int capacity = 1;  // how many of them it works on at once; a worker with less than 1 is left out
};

// The workers' ids, best first: ascending by in_flight / capacity, compared exactly. Ties are
// broken by a hash of request and worker, so that equally loaded workers share the requests evenly,
// and one request always gets the same order, whatever the order of `workers`. Workers at or over
// capacity stay in the list, after all others: refusing is their own decision.
std::vector<std::string> RankByLoad(std::vector<WorkerLoad> workers, uint64_t request_hash);

}  // namespace conclave
