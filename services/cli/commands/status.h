// `conclave status`: members with their health, and the placement map.
#pragma once

#include <iosfwd>
#include <string>

namespace conclave {

struct StatusOptions {
  std::string etcd = "127.0.0.1:2379";
  std::string cluster = "default";
  bool json = false;
  int timeout_s = 5;  // seconds for everything together
};

// Returns 0 when the cluster can serve: every role has a member that says SERVING and every expert
// has a replica on a live host. 1 otherwise, or when etcd cannot be reached.
int RunStatus(const StatusOptions& options, std::ostream& out, std::ostream& err);

}  // namespace conclave
