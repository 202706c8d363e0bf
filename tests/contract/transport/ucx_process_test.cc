// UCX across processes: what happens to the survivor when the peer is killed or frozen.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>

#include "common/transport/backends/ucx/ucx_transport.h"
#include "tests/contract/transport/collector.h"
#include "tests/contract/transport/hex.h"

namespace conclave {
namespace {

// A child that ends with the object.
class PeerProcess {
 public:
  PeerProcess() {
    int in[2], out[2];
    EXPECT_EQ(pipe(in), 0);
    EXPECT_EQ(pipe(out), 0);
    pid_ = fork();
    if (pid_ == 0) {
      dup2(in[0], 0);
      dup2(out[1], 1);
      for (const int fd : {in[0], in[1], out[0], out[1]}) close(fd);
      execl(CONCLAVE_TRANSPORT_PEER, CONCLAVE_TRANSPORT_PEER, nullptr);
      _exit(127);
    }
    close(in[0]);
    close(out[1]);
    to_child_ = fdopen(in[1], "w");
    from_child_ = fdopen(out[0], "r");
    address_ = FromHex(ReadLine());
  }
  ~PeerProcess() {
    Kill();
    fclose(to_child_);
    fclose(from_child_);
  }
  void Introduce(const Transport& transport) {
    std::fprintf(to_child_, "%s\n", ToHex(transport.Address()).c_str());
    std::fflush(to_child_);
    EXPECT_EQ(ReadLine(), "ready");
  }
  void Signal(int signal) { kill(pid_, signal); }
  void Kill() {
    if (pid_ <= 0) return;
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
    pid_ = -1;
  }
  const std::string& address() const { return address_; }

 private:
  std::string ReadLine() {
    char line[8192] = "";
    if (std::fgets(line, sizeof(line), from_child_) == nullptr) return "";
    std::string text(line);
    while (!text.empty() && text.back() == '\n') text.pop_back();
    return text;
  }
  pid_t pid_ = -1;
  FILE* to_child_ = nullptr;
  FILE* from_child_ = nullptr;
  std::string address_;
};

TEST(UcxProcessTest, SurvivesTenKillsUnderTraffic) {
  auto transport = MakeUcxTransport();
  ASSERT_TRUE(transport.ok()) << transport.status();
  for (int round = 0; round < 10; ++round) {
    Inbox inbox;
    Outcomes lost, sent;
    PeerProcess peer;
    (*transport)->SetHandler(Channel::kExpertResult, inbox.Handler());
    auto endpoint = (*transport)->Connect(peer.address(), lost.Next());
    ASSERT_TRUE(endpoint.ok()) << endpoint.status();
    peer.Introduce(**transport);
    for (int i = 0; i < 40; ++i) {
      SendBytes(**endpoint, Channel::kExpertDispatch, {},
                Pattern(static_cast<size_t>(i % 8) * 65536 + 10, 1), sent.Next());
    }
    ASSERT_GE(inbox.Await(1 + round % 5).size(), 1u);  // in full flight
    peer.Kill();
    for (int i = 0; i < 40; ++i)
      SendBytes(**endpoint, Channel::kExpertDispatch, {}, Pattern(300000, 2), sent.Next());
    bool complete = false;
    const auto why = lost.Await(&complete);
    ASSERT_TRUE(complete) << "round " << round;
    EXPECT_EQ(why[0].code(), absl::StatusCode::kUnavailable);
    sent.Await(&complete);
    EXPECT_TRUE(complete && sent.NoneCalledTwice() && lost.NoneCalledTwice());
    (*transport)->SetHandler(Channel::kExpertResult, nullptr);
  }
  (*transport)->Stop();
}

TEST(UcxProcessTest, AnIdlePeerThatIsKilledIsLost) {
  auto transport = MakeUcxTransport();
  ASSERT_TRUE(transport.ok());
  Outcomes lost;
  Inbox inbox;
  (*transport)->SetHandler(Channel::kExpertResult, inbox.Handler());
  PeerProcess peer;
  auto endpoint = (*transport)->Connect(peer.address(), lost.Next());
  ASSERT_TRUE(endpoint.ok());
  peer.Introduce(**transport);
  SendBytes(**endpoint, Channel::kExpertDispatch, {}, {1}, nullptr);
  ASSERT_EQ(inbox.Await(1).size(), 1u);
  peer.Kill();
  bool complete = false;
  lost.Await(&complete);
  EXPECT_TRUE(complete);
  EXPECT_FALSE((*endpoint)->Health().ok());
}

TEST(UcxProcessTest, APeerThatDiedBeforeTheConnectionIsLost) {
  auto transport = MakeUcxTransport();
  ASSERT_TRUE(transport.ok());
  std::string address;
  {
    PeerProcess peer;
    address = peer.address();
  }
  Outcomes lost, sent;
  auto endpoint = (*transport)->Connect(address, lost.Next());
  ASSERT_TRUE(endpoint.ok());
  SendBytes(**endpoint, Channel::kExpertDispatch, {}, {1}, sent.Next());
  bool complete = false;
  lost.Await(&complete);
  EXPECT_TRUE(complete);
  sent.Await(&complete);
  EXPECT_TRUE(complete);
}

TEST(UcxProcessTest, AFrozenPeerHoldsUpNeitherCloseNorStop) {
  for (const bool close_first : {true, false}) {
    auto transport = MakeUcxTransport();
    ASSERT_TRUE(transport.ok());
    Outcomes sent;
    Inbox inbox;
    (*transport)->SetHandler(Channel::kExpertResult, inbox.Handler());
    PeerProcess peer;
    auto endpoint = (*transport)->Connect(peer.address(), nullptr);
    ASSERT_TRUE(endpoint.ok());
    peer.Introduce(**transport);
    SendBytes(**endpoint, Channel::kExpertDispatch, {}, {1}, nullptr);
    ASSERT_EQ(inbox.Await(1).size(), 1u);
    peer.Signal(SIGSTOP);
    for (int i = 0; i < 64; ++i)
      SendBytes(**endpoint, Channel::kKvPush, {}, Pattern(1 << 20, 1), sent.Next());
    if (close_first) (*endpoint)->Close();
    if (!close_first) (*transport)->Stop();
    bool complete = false;
    const auto statuses = sent.Await(&complete);
    EXPECT_TRUE(complete && sent.NoneCalledTwice());
    EXPECT_EQ(statuses.back().code(), absl::StatusCode::kUnavailable);
    const SteadyTime start = Now();
    (*transport)->Stop();
    EXPECT_LT(SecondsSince(start), 10);  // bounded, not fast
  }
}

}  // namespace
}  // namespace conclave
