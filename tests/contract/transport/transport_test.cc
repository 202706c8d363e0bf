// What every transport backend must do.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <thread>

#include "tests/contract/transport/collector.h"
#include "tests/contract/transport/transport_world.h"

namespace conclave {
namespace {

class TransportTest : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    a_ = world_.Make(7001);
    b_ = world_.Make();
    ASSERT_TRUE(a_ != nullptr && b_ != nullptr);
    a_->SetHandler(Channel::kExpertResult, inbox_.Handler());
    auto back = b_->Connect(a_->Address(), nullptr);
    ASSERT_TRUE(back.ok()) << back.status();
    b_->SetHandler(Channel::kExpertDispatch, Echo(*back));
    auto to_b = a_->Connect(b_->Address(), lost_.Next());
    ASSERT_TRUE(to_b.ok()) << to_b.status();
    to_b_ = *std::move(to_b);
  }
  void TearDown() override {
    to_b_.reset();
    a_->Stop();
    b_->Stop();
  }

  TransportWorld world_{GetParam()};
  Inbox inbox_;
  Outcomes lost_, sent_;
  std::unique_ptr<Transport> a_, b_;
  std::shared_ptr<Endpoint> to_b_;
};

TEST_P(TransportTest, PingPongNamesTheSender) {
  EXPECT_EQ(a_->incarnation(), 7001u);
  EXPECT_NE(b_->incarnation(), 0u);
  SendBytes(*to_b_, Channel::kExpertDispatch, {1, 2, 3}, {4, 5}, sent_.Next());
  const auto messages = inbox_.Await(1);
  ASSERT_EQ(messages.size(), 1u);
  EXPECT_EQ(messages[0].from, b_->incarnation());
  EXPECT_EQ(messages[0].header, (std::vector<uint8_t>{1, 2, 3}));
  EXPECT_EQ(messages[0].payload, (std::vector<uint8_t>{4, 5}));
  bool complete = false;
  EXPECT_TRUE(sent_.Await(&complete)[0].ok());
  EXPECT_TRUE(to_b_->Health().ok());
  EXPECT_EQ(a_->counters().messages_sent, 1u);
}

TEST_P(TransportTest, EverySizeArrivesWhole) {
  const std::vector<size_t> sizes = {0,     1,     61311,  61312,   61313,
                                     65535, 65536, 122624, 1 << 20, (5 << 20) + 3};
  for (size_t i = 0; i < sizes.size(); ++i) {
    SendBytes(*to_b_, Channel::kExpertDispatch, Pattern(i % 2 == 0 ? 4096 : i, i),
              Pattern(sizes[i], i), sent_.Next());
  }
  const auto messages = inbox_.Await(sizes.size());
  ASSERT_EQ(messages.size(), sizes.size());
  for (size_t i = 0; i < sizes.size(); ++i) {  // in any order
    const auto header = Pattern(i % 2 == 0 ? 4096 : i, i);
    const auto found = std::find_if(messages.begin(), messages.end(),
                                    [&](const auto& m) { return m.header == header; });
    ASSERT_NE(found, messages.end()) << sizes[i];
    EXPECT_TRUE(found->payload == Pattern(sizes[i], i)) << sizes[i];
  }
}

TEST_P(TransportTest, PiecesAreConcatenated) {
  const auto whole = Pattern(300000, 3);
  std::vector<std::span<const uint8_t>> pieces;
  for (size_t at = 0, step = 1; at < whole.size(); at += step, step = step * 3 + 1) {
    pieces.push_back(std::span(whole).subspan(at, std::min(step, whole.size() - at)));
    pieces.push_back({});  // an empty one changes nothing
  }
  to_b_->Send(Channel::kExpertDispatch, {}, pieces, sent_.Next());
  const auto messages = inbox_.Await(1);
  ASSERT_EQ(messages.size(), 1u);
  EXPECT_TRUE(messages[0].payload == whole);
  EXPECT_TRUE(messages[0].header.empty());
}

TEST_P(TransportTest, ManySendersAtOnce) {
  constexpr int kTransports = 3, kThreads = 2, kMessages = 30;
  Inbox all;
  b_->SetHandler(Channel::kKvPush, all.Handler());
  std::vector<std::unique_ptr<Transport>> senders;
  std::vector<std::shared_ptr<Endpoint>> endpoints;
  for (int i = 0; i < kTransports; ++i) {
    senders.push_back(world_.Make());
    endpoints.push_back(*senders.back()->Connect(b_->Address(), nullptr));
  }
  std::vector<std::thread> threads;
  for (int t = 0; t < kTransports * kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kMessages; ++i) {
        auto payload = Pattern(static_cast<size_t>((t * 37 + i * 7919) % 200000),
                               static_cast<uint64_t>(t * 1000 + i));
        const uint64_t digest = Digest(payload.data(), payload.size());
        std::vector<uint8_t> header(8);
        std::memcpy(header.data(), &digest, 8);
        SendBytes(*endpoints[t % kTransports], Channel::kKvPush, header, std::move(payload),
                  sent_.Next());
      }
    });
  }
  for (auto& thread : threads) thread.join();
  const auto messages = all.Await(kTransports * kThreads * kMessages);
  ASSERT_EQ(messages.size(), static_cast<size_t>(kTransports * kThreads * kMessages));
  for (const Received& message : messages) {
    uint64_t digest;
    std::memcpy(&digest, message.header.data(), 8);
    EXPECT_EQ(digest, Digest(message.payload.data(), message.payload.size()));
  }
  bool complete = false;
  for (const absl::Status& status : sent_.Await(&complete)) EXPECT_TRUE(status.ok()) << status;
  EXPECT_TRUE(complete && sent_.NoneCalledTwice());
  for (auto& endpoint : endpoints) endpoint.reset();
  for (auto& sender : senders) sender->Stop();
}

TEST_P(TransportTest, CloseEndsEverySendOnce) {
  for (int i = 0; i < 40; ++i)
    SendBytes(*to_b_, Channel::kKvPush, {}, Pattern(1 << 20, 1), sent_.Next());
  to_b_->Close();
  for (int i = 0; i < 3; ++i) SendBytes(*to_b_, Channel::kKvPush, {}, {1}, sent_.Next());
  bool complete = false;
  const auto statuses = sent_.Await(&complete);
  EXPECT_TRUE(complete);
  EXPECT_EQ(statuses.back().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(to_b_->Health().code(), absl::StatusCode::kUnavailable);
  EXPECT_TRUE(sent_.NoneCalledTwice());
}

TEST_P(TransportTest, OwnStopEndsEverySendOnce) {
  for (int i = 0; i < 20; ++i)
    SendBytes(*to_b_, Channel::kKvPush, {}, Pattern(1 << 20, 1), sent_.Next());
  a_->Stop();
  SendBytes(*to_b_, Channel::kKvPush, {}, {1}, sent_.Next());
  bool complete = false;
  sent_.Await(&complete);
  EXPECT_TRUE(complete);
  EXPECT_TRUE(sent_.NoneCalledTwice());
  a_->Stop();  // idempotent
}

TEST_P(TransportTest, AStoppedPeerIsLostOnce) {
  SendBytes(*to_b_, Channel::kExpertDispatch, {}, {1}, sent_.Next());
  ASSERT_EQ(inbox_.Await(1).size(), 1u);
  b_->Stop();
  bool complete = false;
  const auto why = lost_.Await(&complete);
  ASSERT_TRUE(complete);
  EXPECT_EQ(why[0].code(), absl::StatusCode::kUnavailable) << why[0];
  EXPECT_EQ(to_b_->Health().code(), absl::StatusCode::kUnavailable);
  Outcomes after;
  SendBytes(*to_b_, Channel::kExpertDispatch, {}, {1}, after.Next());
  EXPECT_EQ(after.Await(&complete)[0].code(), absl::StatusCode::kUnavailable);
  EXPECT_TRUE(lost_.NoneCalledTwice());
  EXPECT_EQ(a_->counters().peers_lost, 1u);
}

TEST_P(TransportTest, ForeignAndDamagedAddressesAreRefused) {
  const std::string good = b_->Address();
  std::vector<std::string> bad = {"", "x", std::string(200, '\0'), good.substr(0, good.size() - 1),
                                  good + "x"};
  for (size_t i = 0; i < good.size(); i += 3) {
    bad.push_back(good);
    bad.back()[i] = static_cast<char>(bad.back()[i] ^ 0x10);
  }
  TransportWorld other(std::string(GetParam()) == "inproc" ? "ucx" : "inproc");
  const auto stranger = other.Make();
  bad.push_back(stranger->Address());
  for (const std::string& address : bad) {
    const auto endpoint = a_->Connect(address, nullptr);
    EXPECT_EQ(endpoint.status().code(), absl::StatusCode::kInvalidArgument) << endpoint.status();
  }
  stranger->Stop();
}

TEST_P(TransportTest, AMessageWithoutAHandlerIsCounted) {
  SendBytes(*to_b_, Channel::kKvPush, {}, {1, 2, 3}, nullptr);
  SendBytes(*to_b_, Channel::kExpertDispatch, {}, {1}, nullptr);  // passes after it
  inbox_.Await(1);
  const SteadyTime deadline = After(kTestPatience);
  while (b_->counters().dropped_messages == 0 && Now() < deadline) std::this_thread::yield();
  EXPECT_EQ(b_->counters().dropped_messages, 1u);
}

TEST_P(TransportTest, TooLargeAHeaderIsRefusedAndHarmsNothing) {
  SendBytes(*to_b_, Channel::kExpertDispatch, std::vector<uint8_t>(4097), {}, sent_.Next());
  bool complete = false;
  EXPECT_EQ(sent_.Await(&complete)[0].code(), absl::StatusCode::kInvalidArgument);
  SendBytes(*to_b_, Channel::kExpertDispatch, {}, {1}, nullptr);
  EXPECT_EQ(inbox_.Await(1).size(), 1u);
}

TEST_P(TransportTest, NoHandlerRunsAfterItWasRemoved) {
  std::atomic<bool> inside{false}, removed{false};
  std::atomic<int> calls{0}, late{0};
  b_->SetHandler(Channel::kKvPush, [&](const IncomingMessage& message) {
    inside = true;
    if (removed) ++late;
    Digest(message.payload.data(), message.payload.size());
    ++calls;
    inside = false;
  });
  for (int i = 0; i < 200; ++i)
    SendBytes(*to_b_, Channel::kKvPush, {}, Pattern(50000, 1), sent_.Next());
  const SteadyTime deadline = After(kTestPatience);
  while (calls == 0 && Now() < deadline) std::this_thread::yield();
  b_->SetHandler(Channel::kKvPush, nullptr);
  EXPECT_FALSE(inside);
  removed = true;
  bool complete = false;
  sent_.Await(&complete);
  EXPECT_EQ(late, 0);
  EXPECT_GT(calls, 0);
}

TEST_P(TransportTest, IdleTransportsSleep) {
  SendBytes(*to_b_, Channel::kExpertDispatch, {}, {1}, nullptr);
  ASSERT_EQ(inbox_.Await(1).size(), 1u);
  const auto cpu_seconds = [] {
    rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           static_cast<double>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
  };
  const double before = cpu_seconds();
  std::this_thread::sleep_for(std::chrono::seconds(1));  // the idle second that is measured
  EXPECT_LT(cpu_seconds() - before, 0.02);
}

INSTANTIATE_TEST_SUITE_P(Backends, TransportTest, testing::Values("inproc", "ucx"),
                         [](const auto& info) { return std::string(info.param); });

}  // namespace
}  // namespace conclave
