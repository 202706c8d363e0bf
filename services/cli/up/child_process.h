// A child process of `conclave up`: started with its output in a log file, ended with its parent on
// every path (the kernel sends it SIGKILL when the thread that started it ends).
#pragma once

#include <sys/types.h>

#include <chrono>
#include <string>
#include <vector>

#include "common/base/status.h"

namespace conclave {

struct ChildSpec {
  std::string name;               // "decode-0"
  std::vector<std::string> argv;  // argv[0] is looked up in PATH
  std::string log_path;           // stdout and stderr
};

// Not thread-safe; all children are started and waited for by one thread, which must outlive them.
class ChildProcess {
 public:
  static absl::StatusOr<ChildProcess> Spawn(const ChildSpec& spec);

  const std::string& name() const { return name_; }
  const std::string& log_path() const { return log_path_; }
  pid_t pid() const { return pid_; }
  bool running() const { return running_; }

  // Reaps without waiting; true when the process ended since the last call.
  bool Reap();
  // "exited with status 1", "was killed by signal 9 (Killed)".
  std::string EndText() const;
  void Signal(int signal) const;  // nothing when it ended already

 private:
  std::string name_, log_path_;
  pid_t pid_ = -1;
  bool running_ = false;
  int wait_status_ = 0;
};

// SIGTERM to all, then SIGKILL to those left after `grace`; returns when all are reaped.
void StopChildren(std::vector<ChildProcess*> children, std::chrono::milliseconds grace);

// The last `lines` lines of a file, indented; empty when there is none.
std::string LogTail(const std::string& path, int lines);

}  // namespace conclave
