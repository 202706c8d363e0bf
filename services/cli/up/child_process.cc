#include "services/cli/up/child_process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <deque>
#include <fstream>

#include "common/base/clock.h"

namespace conclave {
namespace {

// Runs in the child between fork and exec: async-signal-safe calls only.
[[noreturn]] void ExecChild(const std::vector<char*>& argv, int log_fd, int error_fd,
                            pid_t parent) {
  setpgid(0, 0);  // Ctrl-C in the terminal reaches `up` alone, which then stops us in order
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(127);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  signal(SIGPIPE, SIG_DFL);
  dup2(log_fd, STDOUT_FILENO);
  dup2(log_fd, STDERR_FILENO);
  const int devnull = open("/dev/null", O_RDONLY);
  if (devnull >= 0) dup2(devnull, STDIN_FILENO);
  execvp(argv[0], argv.data());
  const int error = errno;
  [[maybe_unused]] const ssize_t n = write(error_fd, &error, sizeof(error));
  _exit(127);
}

}  // namespace

absl::StatusOr<ChildProcess> ChildProcess::Spawn(const ChildSpec& spec) {
  std::vector<char*> argv;
  for (const std::string& arg : spec.argv) argv.push_back(const_cast<char*>(arg.c_str()));
  argv.push_back(nullptr);
  const int log_fd = open(spec.log_path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (log_fd < 0)
    return Unavailable("cannot write the log {}: {}", spec.log_path, std::strerror(errno));
  int pipe_fds[2];
  if (pipe2(pipe_fds, O_CLOEXEC) != 0) {
    close(log_fd);
    return ResourceExhausted("pipe: {}", std::strerror(errno));
  }
  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid == 0) ExecChild(argv, log_fd, pipe_fds[1], parent);
  close(log_fd);
  close(pipe_fds[1]);
  int error = 0;
  const bool exec_failed = pid > 0 && read(pipe_fds[0], &error, sizeof(error)) == sizeof(error);
  close(pipe_fds[0]);
  if (pid < 0) return ResourceExhausted("cannot start {}: {}", spec.name, std::strerror(errno));
  if (exec_failed) {
    waitpid(pid, nullptr, 0);
    return NotFound("cannot run {} for {}: {}", spec.argv[0], spec.name, std::strerror(error));
  }
  ChildProcess child;
  child.name_ = spec.name;
  child.log_path_ = spec.log_path;
  child.pid_ = pid;
  child.running_ = true;
  return child;
}

bool ChildProcess::Reap() {
  if (!running_ || waitpid(pid_, &wait_status_, WNOHANG) != pid_) return false;
  running_ = false;
  return true;
}

std::string ChildProcess::EndText() const {
  if (WIFSIGNALED(wait_status_)) {
    const int signal = WTERMSIG(wait_status_);
    return fmt::format("was killed by signal {} ({})", signal, strsignal(signal));
  }
  return fmt::format("exited with status {}", WEXITSTATUS(wait_status_));
}

void ChildProcess::Signal(int signal) const {
  if (running_) kill(pid_, signal);
}

void StopChildren(std::vector<ChildProcess*> children, std::chrono::milliseconds grace) {
  const auto any_running = [&children] {
    bool any = false;
    for (ChildProcess* child : children) {
      child->Reap();
      any |= child->running();
    }
    return any;
  };
  for (ChildProcess* child : children) {
    child->Signal(SIGTERM);
    child->Signal(SIGCONT);  // a frozen process could not act on SIGTERM
  }
  const SteadyTime deadline = After(grace);
  while (any_running() && Now() < deadline) usleep(5000);
  for (ChildProcess* child : children) child->Signal(SIGKILL);
  while (any_running()) usleep(1000);  // SIGKILL cannot be refused
}

std::string LogTail(const std::string& path, int lines) {
  std::ifstream file(path);
  std::deque<std::string> last;
  for (std::string line; std::getline(file, line);) {
    last.push_back(std::move(line));
    if (static_cast<int>(last.size()) > lines) last.pop_front();
  }
  std::string out;
  for (const std::string& line : last) out += "    " + line + "\n";
  return out;
}

}  // namespace conclave
