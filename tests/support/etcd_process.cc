#include "tests/support/etcd_process.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "common/base/clock.h"

namespace conclave {
namespace {

constexpr char kBinary[] = "/usr/bin/etcd";

sockaddr_in Loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

// Two different free ports: both sockets are open at the same time.
bool FreePorts(int* first, int* second) {
  int* ports[] = {first, second};
  int fds[] = {-1, -1};
  bool ok = true;
  for (int i = 0; i < 2; ++i) {
    fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address = Loopback(0);
    socklen_t size = sizeof(address);
    ok = ok && fds[i] >= 0 && bind(fds[i], reinterpret_cast<sockaddr*>(&address), size) == 0 &&
         getsockname(fds[i], reinterpret_cast<sockaddr*>(&address), &size) == 0;
    *ports[i] = ntohs(address.sin_port);
  }
  for (int fd : fds) {
    if (fd >= 0) close(fd);
  }
  return ok;
}

bool Accepts(int port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return false;
  const sockaddr_in address = Loopback(port);
  const bool ok = connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
  close(fd);
  return ok;
}

}  // namespace

absl::StatusOr<std::unique_ptr<EtcdProcess>> EtcdProcess::Start() {
  absl::Status status;
  for (int attempt = 0; attempt < 3; ++attempt) {  // somebody may take a free port before etcd does
    std::unique_ptr<EtcdProcess> etcd(new EtcdProcess);
    std::string folder = (std::filesystem::temp_directory_path() / "conclave-etcd-XXXXXX").string();
    if (mkdtemp(folder.data()) == nullptr)
      return Internal("cannot make {}: {}", folder, std::strerror(errno));
    etcd->folder_ = folder;
    etcd->log_path_ = folder + "/log";
    if (!FreePorts(&etcd->client_port_, &etcd->peer_port_))
      return Internal("no free ports on 127.0.0.1");
    etcd->endpoint_ = fmt::format("127.0.0.1:{}", etcd->client_port_);
    status = etcd->Launch();
    if (status.ok()) return etcd;
  }
  return status;
}

EtcdProcess::~EtcdProcess() {
  Kill();
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

absl::Status EtcdProcess::Launch() {
  const std::string client = fmt::format("http://127.0.0.1:{}", client_port_);
  const std::string peer = fmt::format("http://127.0.0.1:{}", peer_port_);
  const std::vector<std::string> args = {kBinary,
                                         "--name=test",
                                         "--data-dir=" + folder_ + "/data",
                                         "--listen-client-urls=" + client,
                                         "--advertise-client-urls=" + client,
                                         "--listen-peer-urls=" + peer,
                                         "--initial-advertise-peer-urls=" + peer,
                                         "--initial-cluster=test=" + peer};
  std::vector<char*> argv;
  for (const std::string& arg : args) argv.push_back(const_cast<char*>(arg.c_str()));
  argv.push_back(nullptr);
  const int log = open(log_path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  const pid_t parent = getpid();
  pid_ = fork();
  if (pid_ == 0) {  // async-signal-safe calls only: the parent may have threads
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(127);
    dup2(log, STDOUT_FILENO);
    dup2(log, STDERR_FILENO);
    execv(kBinary, argv.data());
    _exit(127);
  }
  close(log);
  if (pid_ < 0) return Internal("cannot fork: {}", std::strerror(errno));
  return WaitUntilListening();
}

absl::Status EtcdProcess::WaitUntilListening() {
  const SteadyTime deadline = After(std::chrono::milliseconds(20'000));
  while (Now() < deadline) {
    if (Accepts(client_port_)) return absl::OkStatus();
    int status = 0;
    if (waitpid(pid_, &status, WNOHANG) == pid_) {
      pid_ = -1;
      return Unavailable("{} ended with status {}: {}", kBinary, status, LogTail());
    }
    poll(nullptr, 0, 20);
  }
  Kill();
  return Unavailable("{} did not listen on {} in time: {}", kBinary, endpoint_, LogTail());
}

void EtcdProcess::Freeze() {
  if (pid_ <= 0) return;
  // waitpid tells when every thread has stopped; until then a request may still be answered.
  int status = 0;
  if (kill(pid_, SIGSTOP) == 0) waitpid(pid_, &status, WUNTRACED);
}

void EtcdProcess::Thaw() {
  if (pid_ > 0) kill(pid_, SIGCONT);
}

void EtcdProcess::Kill() {
  if (pid_ <= 0) return;
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

absl::Status EtcdProcess::Restart() {
  Kill();
  return Launch();
}

std::string EtcdProcess::LogTail() const {
  std::ifstream file(log_path_);
  std::stringstream text;
  text << file.rdbuf();
  const std::string all = text.str();
  return all.size() > 2000 ? all.substr(all.size() - 2000) : all;
}

}  // namespace conclave
