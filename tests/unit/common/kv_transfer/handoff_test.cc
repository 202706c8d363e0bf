// Law 3: no unverified byte is read. Each test breaks a hand-off in one way.
#include <gtest/gtest.h>

#include "tests/unit/common/kv_transfer/handoff_world.h"

namespace conclave {
namespace {

using std::chrono::milliseconds;
const auto kAsIs = [](KvPushHeader&) {};

class HandoffTest : public testing::TestWithParam<const char*> {
 protected:
  HandoffWorld w_{GetParam()};
  const std::vector<int32_t> from_ = {3, 9, 4}, to_ = {7, 1, 12};
  static constexpr uint32_t kTokens = 2 * kPageTokens + 5;  // a partial last block

  HandoffTicket Open(uint64_t generation = 5) {
    return w_.receiver->Open(generation, kTokens, kTestMainLayers, to_);
  }
  // Everything but what `skip` names.
  void PushAllBut(const HandoffTicket& ticket, uint32_t skip_layer, uint32_t skip_block) {
    for (uint32_t layer = 0; layer < kTestMainLayers; ++layer) {
      for (uint32_t block = 0; block < from_.size(); ++block) {
        if (layer == skip_layer && block == skip_block) continue;
        w_.RawPush(ticket, layer, block, from_[block], kAsIs);
      }
    }
  }
};

TEST_P(HandoffTest, APromptArrivesAndVerifies) {
  const HandoffTicket ticket = Open();
  EXPECT_EQ(ticket.owner, w_.decode_transport->incarnation());
  EXPECT_EQ(ticket.token_bytes, w_.decode_cache->TokenBytes());
  KvPush push(w_.peer, *w_.prefill_cache, w_.prefill_transport->incarnation(), ticket, from_);
  for (const int ready : {10, 64, 100, 133}) {  // chunks of the prompt, layer by layer
    for (int layer = 0; layer < kTestMainLayers + 1; ++layer) push.LayerReady(layer, ready);
  }
  const auto manifest = push.Finish(After(kTestPatience));
  ASSERT_TRUE(manifest.ok()) << manifest.status();
  EXPECT_EQ(manifest->extents.size(), 9u);
  const absl::Status status = w_.receiver->Verify(*manifest, After(kTestPatience));
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_TRUE(w_.Equal(from_, to_, kTokens));
  EXPECT_EQ(w_.receiver->counters().extents, 9u);
  EXPECT_EQ(w_.receiver->counters().bytes,
            uint64_t{kTokens} * kTestMainLayers * ticket.token_bytes);
  w_.receiver->Close(ticket.session);
}

TEST_P(HandoffTest, SessionsSideBySide) {
  const HandoffTicket first = w_.receiver->Open(1, 64, kTestMainLayers, {0});
  const HandoffTicket second = w_.receiver->Open(1, 60, kTestMainLayers, {5});
  EXPECT_NE(first.session, second.session);
  KvPush a(w_.peer, *w_.prefill_cache, 77, first, {2}),
      b(w_.peer, *w_.prefill_cache, 77, second, {6});
  for (int layer = 0; layer < kTestMainLayers; ++layer) {
    a.LayerReady(layer, 64);
    b.LayerReady(layer, 60);
  }
  const auto manifest_b = b.Finish(After(kTestPatience)),
             manifest_a = a.Finish(After(kTestPatience));
  ASSERT_TRUE(manifest_a.ok() && manifest_b.ok());
  EXPECT_TRUE(w_.receiver->Verify(*manifest_b, After(kTestPatience)).ok());
  EXPECT_TRUE(w_.receiver->Verify(*manifest_a, After(kTestPatience)).ok());
  EXPECT_TRUE(w_.Equal({2}, {0}, 64) && w_.Equal({6}, {5}, 60));
}

TEST_P(HandoffTest, ALostExtentIsNamedWhenTheDeadlinePasses) {
  const HandoffTicket ticket = Open();
  PushAllBut(ticket, 1, 2);
  ASSERT_TRUE(w_.AwaitSeen(8));
  const absl::Status status =
      w_.receiver->Verify(w_.Manifest(ticket, from_), After(milliseconds(50)));
  EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_NE(Message(status).find("layer 1 block 2"), std::string::npos) << status;
  EXPECT_NE(Message(status).find("1 of 9"), std::string::npos) << status;
  // It comes late, while somebody asks again.
  w_.RawPush(ticket, 1, 2, from_[2], kAsIs);
  EXPECT_TRUE(w_.receiver->Verify(w_.Manifest(ticket, from_), After(kTestPatience)).ok());
}

TEST_P(HandoffTest, ADamagedByteIsDataLoss) {
  const HandoffTicket ticket = Open();
  PushAllBut(ticket, 2, 1);
  const uint8_t* data = w_.prefill_cache->PageLayer(from_[1], 2);
  std::vector<uint8_t> damaged(data, data + kPageTokens * ticket.token_bytes);
  damaged[1000] ^= 1;
  w_.RawPush(ticket, 2, 1, from_[1], kAsIs, damaged);
  const absl::Status status = w_.receiver->Verify(w_.Manifest(ticket, from_), After(kTestPatience));
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_NE(Message(status).find("layer 2 block 1"), std::string::npos) << status;
  EXPECT_EQ(w_.receiver->counters().digest_failures, 1u);
}

TEST_P(HandoffTest, AnExtentOfAnotherSourceIsDataLoss) {
  const HandoffTicket ticket = Open();
  PushAllBut(ticket, 0, 0);
  w_.RawPush(ticket, 0, 0, from_[0], [](KvPushHeader& h) { h.source = 999; });
  const absl::Status status = w_.receiver->Verify(w_.Manifest(ticket, from_), After(kTestPatience));
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << status;
}

TEST_P(HandoffTest, StaleAndForeignPushesAreDropped) {
  const HandoffTicket ticket = Open();
  const auto push = [&](auto change) { w_.RawPush(ticket, 0, 0, from_[0], change); };
  push([](KvPushHeader& h) { h.generation -= 1; });
  push([](KvPushHeader& h) { h.owner ^= 1; });
  push([](KvPushHeader& h) { h.session += 1; });
  ASSERT_TRUE(w_.AwaitSeen(3));
  EXPECT_EQ(w_.receiver->counters().dropped_stale, 3u);
  push([](KvPushHeader& h) { h.layer = kTestMainLayers; });
  push([](KvPushHeader& h) { h.block = 3; });
  push([](KvPushHeader& h) { h.block = 0xffffffff; });
  push([](KvPushHeader& h) { h.bytes -= 1; });
  push([](KvPushHeader& h) { h.block = 2; });  // the last block is shorter
  push([](KvPushHeader& h) { h.magic = 0; });
  push([](KvPushHeader& h) { h.version = 9; });
  SendBytes(*w_.peer, Channel::kKvPush, {1, 2, 3}, {4}, nullptr);
  ASSERT_TRUE(w_.AwaitSeen(11));
  EXPECT_EQ(w_.receiver->counters().dropped_invalid, 8u);
  EXPECT_EQ(w_.receiver->counters().extents, 0u);
  for (const int32_t page : to_) EXPECT_TRUE(w_.IsBlank(page));
}

TEST_P(HandoffTest, ADuplicateIsDroppedAndChangesNothing) {
  const HandoffTicket ticket = Open();
  PushAllBut(ticket, 9, 9);
  ASSERT_TRUE(w_.AwaitSeen(9));
  w_.RawPush(ticket, 0, 0, 15, kAsIs);  // another page's bytes for an extent that is there
  ASSERT_TRUE(w_.AwaitSeen(10));
  EXPECT_EQ(w_.receiver->counters().dropped_invalid, 1u);
  EXPECT_TRUE(w_.receiver->Verify(w_.Manifest(ticket, from_), After(kTestPatience)).ok());
}

TEST_P(HandoffTest, AManifestMustCoverThePromptExactly) {
  const HandoffTicket ticket = Open();
  PushAllBut(ticket, 9, 9);
  const HandoffManifest good = w_.Manifest(ticket, from_);
  const auto verify = [&](auto change) {
    HandoffManifest manifest = good;
    change(manifest);
    return w_.receiver->Verify(manifest, After(kTestPatience)).code();
  };
  constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;
  EXPECT_EQ(verify([](auto& m) { m.extents.pop_back(); }), kInvalid);
  EXPECT_EQ(verify([](auto& m) { m.extents.push_back(m.extents[0]); }), kInvalid);
  EXPECT_EQ(verify([](auto& m) { m.extents[1] = m.extents[0]; }), kInvalid);
  EXPECT_EQ(verify([](auto& m) { m.extents[0].bytes -= 1; }), kInvalid);
  EXPECT_EQ(verify([](auto& m) { m.extents[0].layer = 3; }), kInvalid);
  EXPECT_EQ(verify([](auto& m) { m.extents[0].block = 1u << 31; }), kInvalid);
  EXPECT_EQ(verify([](auto& m) { m.extents.clear(); }), kInvalid);
  EXPECT_EQ(verify([](auto& m) { m.session += 1; }), kInvalid);
  EXPECT_EQ(verify([](auto& m) { m.generation += 1; }), kInvalid);
  EXPECT_EQ(verify([](auto& m) { m.extents[4].digest ^= 1; }), absl::StatusCode::kDataLoss);
  EXPECT_EQ(verify([](auto& m) { m.source ^= 1; }), absl::StatusCode::kDataLoss);
  EXPECT_EQ(verify([](auto& m) { std::swap(m.extents[0], m.extents[7]); }), absl::StatusCode::kOk);
}

TEST_P(HandoffTest, AfterCloseAPushChangesNothing) {
  const HandoffTicket ticket = Open();
  w_.receiver->Close(ticket.session);
  w_.receiver->Close(ticket.session);  // again: nothing
  PushAllBut(ticket, 9, 9);
  ASSERT_TRUE(w_.AwaitSeen(9));
  EXPECT_EQ(w_.receiver->counters().dropped_stale, 9u);
  for (const int32_t page : to_) EXPECT_TRUE(w_.IsBlank(page));
  EXPECT_EQ(w_.receiver->Verify(w_.Manifest(ticket, from_), After(kTestPatience)).code(),
            absl::StatusCode::kInvalidArgument);
  // The pages' next session is another one: the old sender still reaches nothing.
  const HandoffTicket next = Open(6);
  EXPECT_NE(next.session, ticket.session);
  w_.RawPush(ticket, 0, 0, from_[0], kAsIs);
  w_.RawPush(next, 0, 0, from_[0], [&](KvPushHeader& h) { h.generation = ticket.generation; });
  ASSERT_TRUE(w_.AwaitSeen(11));
  for (const int32_t page : to_) EXPECT_TRUE(w_.IsBlank(page));
}

TEST_P(HandoffTest, ClosingRacesWithPushes) {
  for (int round = 0; round < 40; ++round) {
    w_.Blank();
    const HandoffTicket ticket = Open(static_cast<uint64_t>(round));
    PushAllBut(ticket, 9, 9);
    if (round % 4 != 0) w_.AwaitSeen(static_cast<uint64_t>(round) * 9 + round % 4);
    w_.receiver->Close(ticket.session);
    // From here on the pages are somebody else's: mark them, and see that the mark stays.
    w_.Blank();
    ASSERT_TRUE(w_.AwaitSeen(static_cast<uint64_t>(round + 1) * 9));
    for (const int32_t page : to_) ASSERT_TRUE(w_.IsBlank(page)) << "round " << round;
  }
}

TEST_P(HandoffTest, CloseEndsAVerificationThatWaits) {
  const HandoffTicket ticket = Open();
  absl::Status status;
  std::thread waiter(
      [&] { status = w_.receiver->Verify(w_.Manifest(ticket, from_), After(kTestPatience)); });
  PushAllBut(ticket, 0, 1);
  w_.AwaitSeen(8);
  w_.receiver->Close(ticket.session);
  waiter.join();
  // Cancelled when it waited, InvalidArgument when it came after the close.
  EXPECT_TRUE(status.code() == absl::StatusCode::kCancelled ||
              status.code() == absl::StatusCode::kInvalidArgument)
      << status;
}

TEST_P(HandoffTest, ALostPeerFailsThePush) {
  const HandoffTicket ticket = Open();
  KvPush push(w_.peer, *w_.prefill_cache, 1, ticket, from_);
  push.LayerReady(0, kTokens);
  w_.receiver.reset();
  w_.decode_transport->Stop();
  bool complete = false;
  w_.lost.Await(&complete);
  ASSERT_TRUE(complete);
  push.LayerReady(1, kTokens);
  push.LayerReady(2, kTokens);
  const auto manifest = push.Finish(After(kTestPatience));
  EXPECT_EQ(manifest.status().code(), absl::StatusCode::kUnavailable) << manifest.status();
}

TEST_P(HandoffTest, AnUnfinishedOrMismatchedPushIsRefused) {
  const HandoffTicket ticket = Open();
  KvPush push(w_.peer, *w_.prefill_cache, 1, ticket, from_);
  push.LayerReady(0, kTokens);
  push.LayerReady(1, kTokens - 1);
  push.LayerReady(2, kTokens);
  const auto unfinished = push.Finish(After(kTestPatience));
  EXPECT_EQ(unfinished.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_NE(Message(unfinished.status()).find("layer 1"), std::string::npos) << unfinished.status();
  HandoffTicket other = ticket;
  other.token_bytes /= 2;
  KvPush mismatched(w_.peer, *w_.prefill_cache, 1, other, from_);
  mismatched.LayerReady(0, kTokens);
  EXPECT_EQ(mismatched.Finish(After(kTestPatience)).status().code(),
            absl::StatusCode::kFailedPrecondition);
}

INSTANTIATE_TEST_SUITE_P(Backends, HandoffTest, testing::Values("inproc", "ucx"),
                         [](const auto& info) { return std::string(info.param); });

}  // namespace
}  // namespace conclave
