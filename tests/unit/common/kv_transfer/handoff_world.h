// One prefill and one decode side of a hand-off, over any transport backend.
#pragma once

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "common/kv_transfer/push_header.h"
#include "common/kv_transfer/receiver.h"
#include "common/kv_transfer/sender.h"
#include "tests/contract/transport/collector.h"
#include "tests/contract/transport/transport_world.h"

namespace conclave {

inline constexpr int kTestMainLayers = 3;

inline ModelConfig TinyConfig() {
  ModelConfig config;
  config.num_layers = kTestMainLayers;
  config.num_mtp_layers = 1;
  config.kv_lora_rank = 24;
  config.qk_rope_head_dim = 8;
  return config;
}

class HandoffWorld {
 public:
  explicit HandoffWorld(const std::string& backend)
      : world_(backend), prefill_transport(world_.Make()), decode_transport(world_.Make()) {
    prefill_cache = *KvCache::Create(TinyConfig(), ComputeMode::kF32, 16);
    decode_cache = *KvCache::Create(TinyConfig(), ComputeMode::kF32, 16);
    receiver = std::make_unique<KvReceiver>(*decode_transport, *decode_cache);
    peer = *prefill_transport->Connect(decode_transport->Address(), lost.Next());
    for (int page = 0; page < 16; ++page) {
      const auto data =
          Pattern(static_cast<size_t>(prefill_cache->PageBytes()), static_cast<uint64_t>(page) + 1);
      std::memcpy(prefill_cache->PageLayer(page, 0), data.data(), data.size());
    }
    Blank();
  }
  ~HandoffWorld() {
    peer.reset();
    receiver.reset();
    prefill_transport->Stop();
    decode_transport->Stop();
  }

  // Fills the decode side's pages with a mark that no push brings.
  void Blank() {
    std::memset(decode_cache->PageLayer(0, 0), 0xee,
                static_cast<size_t>(decode_cache->TotalBytes()));
  }
  bool IsBlank(int page) const {
    const uint8_t* data = decode_cache->PageLayer(page, 0);
    for (int64_t i = 0; i < decode_cache->PageBytes(); ++i) {
      if (data[i] != 0xee) return false;
    }
    return true;
  }
  // Whether the decode pages hold the prompt of the prefill pages, and nothing beyond it.
  bool Equal(const std::vector<int32_t>& from, const std::vector<int32_t>& to,
             uint32_t tokens) const {
    for (int layer = 0; layer < kTestMainLayers; ++layer) {
      for (size_t block = 0; block < from.size(); ++block) {
        const uint32_t first = static_cast<uint32_t>(block) * kPageTokens;
        const size_t bytes =
            std::min<uint32_t>(kPageTokens, tokens - first) * decode_cache->TokenBytes();
        const uint8_t* have = decode_cache->PageLayer(to[block], layer);
        if (std::memcmp(prefill_cache->PageLayer(from[block], layer), have, bytes) != 0)
          return false;
        for (size_t i = bytes; i < static_cast<size_t>(kPageTokens * decode_cache->TokenBytes());
             ++i) {
          if (have[i] != 0xee) return false;
        }
      }
    }
    return true;
  }

  // One raw push, as `change` left its header; the payload is the right one unless given.
  template <typename F>
  void RawPush(const HandoffTicket& ticket, uint32_t layer, uint32_t block, int page, F change,
               std::vector<uint8_t> payload = {}) {
    KvPushHeader header;
    header.session = ticket.session;
    header.generation = ticket.generation;
    header.owner = ticket.owner;
    header.source = prefill_transport->incarnation();
    header.layer = layer;
    header.block = block;
    header.bytes = std::min<uint32_t>(kPageTokens, ticket.prompt_tokens - block * kPageTokens) *
                   ticket.token_bytes;
    const uint8_t* data = prefill_cache->PageLayer(page, static_cast<int>(layer));
    if (payload.empty()) payload.assign(data, data + header.bytes);
    header.digest = Digest(payload.data(), payload.size());
    change(header);
    const auto* raw = reinterpret_cast<const uint8_t*>(&header);
    SendBytes(*peer, Channel::kKvPush, {raw, raw + sizeof(header)}, std::move(payload), nullptr);
  }
  HandoffManifest Manifest(const HandoffTicket& ticket, const std::vector<int32_t>& pages) const {
    HandoffManifest manifest{
        ticket.session, ticket.generation, prefill_transport->incarnation(), {}};
    for (uint32_t layer = 0; layer < ticket.layers; ++layer) {
      for (uint32_t block = 0; block < pages.size(); ++block) {
        const uint32_t bytes =
            std::min<uint32_t>(kPageTokens, ticket.prompt_tokens - block * kPageTokens) *
            ticket.token_bytes;
        const uint8_t* data = prefill_cache->PageLayer(pages[block], static_cast<int>(layer));
        manifest.extents.push_back({layer, block, bytes, Digest(data, bytes)});
      }
    }
    return manifest;
  }
  // Waits until the receiver has seen `count` pushes, accepted or not.
  bool AwaitSeen(uint64_t count) const {
    const SteadyTime deadline = After(kTestPatience);
    while (Now() < deadline) {
      const auto c = receiver->counters();
      if (c.extents + c.dropped_stale + c.dropped_invalid >= count) return true;
      std::this_thread::yield();
    }
    return false;
  }

 private:
  TransportWorld world_;

 public:
  std::unique_ptr<Transport> prefill_transport, decode_transport;
  std::unique_ptr<KvCache> prefill_cache, decode_cache;
  std::unique_ptr<KvReceiver> receiver;
  Outcomes lost;
  std::shared_ptr<Endpoint> peer;
};

}  // namespace conclave
