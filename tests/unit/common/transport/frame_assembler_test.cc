#include "common/transport/frame_assembler.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <random>

namespace conclave {
namespace {

struct Frame {
  FrameHeader header;
  std::vector<uint8_t> body;
  std::span<const uint8_t> header_bytes() const {
    return {reinterpret_cast<const uint8_t*>(&header), sizeof(header)};
  }
};

std::vector<uint8_t> Bytes(size_t count, uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<uint8_t> bytes(count);
  for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random());
  return bytes;
}

std::vector<Frame> Cut(Incarnation from, uint64_t message, const std::vector<uint8_t>& header,
                       const std::vector<uint8_t>& payload) {
  std::vector<Frame> frames;
  for (size_t i = 0; i < FrameCount(payload.size()); ++i) {
    Frame frame;
    FrameHeader& h = frame.header;
    h.channel = 3;
    h.header_bytes = static_cast<uint16_t>(header.size());
    h.from = from;
    h.message = message;
    h.total = payload.size();
    h.offset = i * kFrameChunk;
    h.bytes = static_cast<uint32_t>(std::min(kFrameChunk, payload.size() - h.offset));
    if (i == 0) frame.body = header;
    frame.body.insert(frame.body.end(), payload.begin() + h.offset,
                      payload.begin() + h.offset + h.bytes);
    SealFrame(h, frame.body);
    frames.push_back(std::move(frame));
  }
  return frames;
}

class FrameAssemblerTest : public testing::Test {
 protected:
  void Make(AssemblerOptions options = {}) {
    assembler_.emplace(options, [this](uint8_t channel, const IncomingMessage& m) {
      EXPECT_EQ(channel, 3);
      froms_.push_back(m.from);
      headers_.emplace_back(m.header.begin(), m.header.end());
      payloads_.emplace_back(m.payload.begin(), m.payload.end());
    });
  }
  void Give(const Frame& frame) { assembler_->OnFrame(frame.header_bytes(), frame.body, now_); }

  SteadyTime now_ = Now();
  std::optional<FrameAssembler> assembler_;
  std::vector<Incarnation> froms_;
  std::vector<std::vector<uint8_t>> headers_, payloads_;
};

TEST_F(FrameAssemblerTest, FramesFit) {
  EXPECT_LE(kFrameChunk + kMaxHeaderBytes + sizeof(FrameHeader), kMaxFrameBytes);
  EXPECT_EQ(FrameCount(0), 1u);
  EXPECT_EQ(FrameCount(kFrameChunk), 1u);
  EXPECT_EQ(FrameCount(kFrameChunk + 1), 2u);
}

TEST_F(FrameAssemblerTest, AnyOrderGivesTheSameMessage) {
  Make();
  const auto header = Bytes(100, 1), payload = Bytes(5 * kFrameChunk + 17, 2);
  auto frames = Cut(9, 1, header, payload);
  std::mt19937 random(3);
  for (int round = 0; round < 20; ++round) {
    for (Frame& frame : frames) {
      frame.header.message = static_cast<uint64_t>(round + 1);
      SealFrame(frame.header, frame.body);
    }
    std::shuffle(frames.begin(), frames.end(), random);
    for (const Frame& frame : frames) Give(frame);
    ASSERT_EQ(payloads_.size(), static_cast<size_t>(round + 1));
    EXPECT_TRUE(payloads_.back() == payload && headers_.back() == header && froms_.back() == 9);
  }
  EXPECT_FALSE(assembler_->pending());
}

TEST_F(FrameAssemblerTest, MessagesInterleave) {
  Make();
  const auto a = Bytes(3 * kFrameChunk, 1), b = Bytes(3 * kFrameChunk - 1, 2);
  const auto frames_a = Cut(1, 7, {}, a), frames_b = Cut(2, 7, {}, b);
  for (size_t i = 0; i < 3; ++i) Give(frames_a[i]), Give(frames_b[2 - i]);
  ASSERT_EQ(payloads_.size(), 2u);
  EXPECT_TRUE(payloads_[0] == a && payloads_[1] == b);
}

TEST_F(FrameAssemblerTest, ADamagedBodyDropsTheMessageOnly) {
  Make();
  auto frames = Cut(1, 1, {}, Bytes(3 * kFrameChunk, 1));
  frames[1].body[5] ^= 4;
  for (const Frame& frame : frames) Give(frame);
  EXPECT_TRUE(payloads_.empty());
  EXPECT_EQ(assembler_->dropped_messages(), 1u);
  for (const Frame& frame : Cut(1, 2, {}, Bytes(3 * kFrameChunk, 2))) Give(frame);
  EXPECT_EQ(payloads_.size(), 1u);
  auto small = Cut(1, 3, {}, Bytes(10, 3));
  small[0].body[0] ^= 1;
  Give(small[0]);
  EXPECT_EQ(payloads_.size(), 1u);
  EXPECT_EQ(assembler_->dropped_messages(), 2u);
}

TEST_F(FrameAssemblerTest, DuplicatesAreDropped) {
  Make();
  const auto payload = Bytes(2 * kFrameChunk, 1);
  const auto frames = Cut(1, 1, {}, payload);
  Give(frames[0]);
  Give(frames[0]);
  Give(frames[1]);
  ASSERT_EQ(payloads_.size(), 1u);
  EXPECT_TRUE(payloads_[0] == payload);
  EXPECT_EQ(assembler_->dropped_frames(), 1u);
}

TEST_F(FrameAssemblerTest, NoBitOfAHeaderIsTrustedUnchecked) {
  Make();
  const auto frames = Cut(1, 1, Bytes(8, 1), Bytes(kFrameChunk + 1, 2));
  for (size_t bit = 0; bit < sizeof(FrameHeader) * 8; ++bit) {
    Frame bad = frames[1];
    reinterpret_cast<uint8_t*>(&bad.header)[bit / 8] ^= static_cast<uint8_t>(1 << (bit % 8));
    Give(bad);
  }
  EXPECT_TRUE(payloads_.empty());
  EXPECT_EQ(assembler_->dropped_frames(), sizeof(FrameHeader) * 8);
}

// A sender that lies but signs: fields out of bounds with right digests.
TEST_F(FrameAssemblerTest, SealedNonsenseIsRefused) {
  Make();
  const auto frames = Cut(1, 1, Bytes(8, 1), Bytes(2 * kFrameChunk, 2));
  std::mt19937_64 random(5);
  for (int i = 0; i < 20000; ++i) {
    Frame bad = frames[random() % 2];
    FrameHeader& h = bad.header;
    switch (random() % 6) {
      case 0:
        h.offset = random() >> (random() % 64);
        break;
      case 1:
        h.total = random() >> (random() % 64);
        break;
      case 2:
        h.bytes = static_cast<uint32_t>(random() >> (32 + random() % 32));
        break;
      case 3:
        h.header_bytes = static_cast<uint16_t>(random());
        break;
      case 4:
        h.from = 0;
        break;
      default:
        bad.body.resize(random() % (kFrameChunk + 100));
        break;
    }
    h.message = random() % 50;
    SealFrame(h, bad.body);
    Give(bad);
  }
  for (const auto& payload : payloads_) EXPECT_LE(payload.size(), 2 * kFrameChunk);
  EXPECT_GT(assembler_->dropped_frames(), 10000u);
}

TEST_F(FrameAssemblerTest, MemoryPerPeerIsBounded) {
  Make({.max_bytes_per_peer = static_cast<int64_t>(5 * kFrameChunk), .max_messages_per_peer = 3});
  const auto first = Cut(1, 1, {}, Bytes(3 * kFrameChunk, 1)),
             second = Cut(1, 2, {}, Bytes(3 * kFrameChunk, 2));
  Give(first[0]);
  Give(second[0]);  // would need 6 chunks
  EXPECT_EQ(assembler_->dropped_messages(), 1u);
  Give(first[1]);
  Give(first[2]);
  EXPECT_EQ(payloads_.size(), 1u);
  Give(second[1]);  // its message is gone for good
  EXPECT_EQ(payloads_.size(), 1u);
  for (uint64_t id = 10; id < 20; ++id) Give(Cut(1, id, {}, Bytes(2 * kFrameChunk, 1))[0]);
  const uint64_t dropped = assembler_->dropped_frames();
  EXPECT_GE(dropped, 8u);
  Give(Cut(2, 1, {}, Bytes(10, 1))[0]);  // another peer is not concerned
  EXPECT_EQ(payloads_.size(), 2u);
}

TEST_F(FrameAssemblerTest, WhatNobodyContinuesExpires) {
  Make({.expiry = std::chrono::milliseconds(1000)});
  const auto frames = Cut(1, 1, {}, Bytes(2 * kFrameChunk, 1));
  Give(frames[0]);
  now_ += std::chrono::milliseconds(999);
  assembler_->Expire(now_);
  EXPECT_TRUE(assembler_->pending());
  now_ += std::chrono::milliseconds(1);
  assembler_->Expire(now_);
  EXPECT_FALSE(assembler_->pending());
  EXPECT_EQ(assembler_->dropped_messages(), 1u);
  Give(frames[1]);
  EXPECT_TRUE(payloads_.empty());
}

TEST_F(FrameAssemblerTest, ALostPeersMessagesAreForgotten) {
  Make();
  Give(Cut(1, 1, {}, Bytes(2 * kFrameChunk, 1))[0]);
  Give(Cut(2, 1, {}, Bytes(2 * kFrameChunk, 1))[0]);
  assembler_->DropPeer(1);
  assembler_->DropPeer(3);
  EXPECT_EQ(assembler_->dropped_messages(), 1u);
  EXPECT_TRUE(assembler_->pending());
  Give(Cut(2, 1, {}, Bytes(2 * kFrameChunk, 1))[1]);
  EXPECT_EQ(payloads_.size(), 1u);
}

}  // namespace
}  // namespace conclave
