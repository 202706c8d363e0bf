#include "common/kv_transfer/sender.h"

#include <algorithm>
#include <utility>

#include "common/base/check.h"
#include "common/base/digest.h"
#include "common/base/mutex.h"
#include "common/kv_transfer/push_header.h"

namespace conclave {
namespace {

constexpr std::chrono::milliseconds kPatience{
    1000};  // of the destructor, before it closes the endpoint

// What completions touch; it may outlive the push by the end of a callback.
struct InFlight {
  Mutex mu;
  CondVar changed;
  int sends GUARDED_BY(mu) = 0;
  absl::Status first_error GUARDED_BY(mu);
};

}  // namespace

struct KvPush::Impl {
  void Push(uint32_t layer, uint32_t block);

  // False when `deadline` passed.
  bool WaitIdle(SteadyTime deadline) {
    MutexLock lock(in_flight->mu);
    while (in_flight->sends > 0) {
      if (!in_flight->changed.WaitUntil(in_flight->mu, deadline) && Now() >= deadline)
        return in_flight->sends == 0;
    }
    return true;
  }

  std::shared_ptr<Endpoint> peer;
  const KvCache* cache = nullptr;
  Incarnation self = 0;
  HandoffTicket ticket;
  std::vector<int32_t> pages;
  std::vector<uint32_t> pushed;  // blocks, by layer
  HandoffManifest manifest;
  absl::Status refused;  // the ticket does not fit the cache: nothing is pushed
  std::shared_ptr<InFlight> in_flight = std::make_shared<InFlight>();
};

void KvPush::Impl::Push(uint32_t layer, uint32_t block) {
  const uint32_t tokens =
      std::min<uint32_t>(kPageTokens, ticket.prompt_tokens - block * kPageTokens);
  const uint8_t* data = cache->PageLayer(pages[block], static_cast<int>(layer));
  auto header = std::make_shared<KvPushHeader>();
  header->session = ticket.session;
  header->generation = ticket.generation;
  header->owner = ticket.owner;
  header->source = self;
  header->layer = layer;
  header->block = block;
  header->bytes = tokens * ticket.token_bytes;
  header->digest = Digest(data, header->bytes);
  manifest.extents.push_back({layer, block, header->bytes, header->digest});
  {
    MutexLock lock(in_flight->mu);
    ++in_flight->sends;
  }
  const std::span<const uint8_t> header_bytes(reinterpret_cast<const uint8_t*>(header.get()),
                                              sizeof(*header));
  const std::span<const uint8_t> piece(data, header->bytes);
  peer->Send(Channel::kKvPush, header_bytes, {&piece, 1},
             [header, state = in_flight](absl::Status status) {
               MutexLock lock(state->mu);
               --state->sends;
               if (state->first_error.ok()) state->first_error = std::move(status);
               state->changed.NotifyAll();
             });
}

KvPush::KvPush(std::shared_ptr<Endpoint> peer, const KvCache& cache, Incarnation self,
               const HandoffTicket& ticket, std::vector<int32_t> pages)
    : impl_(std::make_unique<Impl>()) {
  if (ticket.token_bytes != cache.TokenBytes() ||
      ticket.layers > static_cast<uint32_t>(cache.layers()) ||
      pages.size() < (ticket.prompt_tokens + kPageTokens - 1) / kPageTokens) {
    impl_->refused = FailedPrecondition(
        "hand-off {} wants {} layers of {} bytes a token for {} tokens; here are {} layers of {} "
        "bytes and {} pages: do "
        "both workers serve the same model in the same compute mode and KV format?",
        ticket.session, ticket.layers, ticket.token_bytes, ticket.prompt_tokens, cache.layers(),
        cache.TokenBytes(), pages.size());
  }
  impl_->peer = std::move(peer);
  impl_->cache = &cache;
  impl_->self = self;
  impl_->ticket = ticket;
  impl_->pages = std::move(pages);
  if (impl_->refused.ok()) impl_->pushed.assign(ticket.layers, 0);
  impl_->manifest = {ticket.session, ticket.generation, self, {}};
}

KvPush::~KvPush() {
  if (impl_->WaitIdle(After(kPatience))) return;
  impl_->peer->Close();
  impl_->WaitIdle(SteadyTime::max());
}

void KvPush::LayerReady(int layer, int ready_tokens) {
  const HandoffTicket& ticket = impl_->ticket;
  CONCLAVE_CHECK(layer >= 0 && ready_tokens >= 0);
  // Layers beyond the ticket's (a prefill worker's MTP layer) stay here.
  if (static_cast<size_t>(layer) >= impl_->pushed.size()) return;
  const uint32_t ready =
      std::min<uint32_t>(static_cast<uint32_t>(ready_tokens), ticket.prompt_tokens);
  const uint32_t blocks =
      ready == ticket.prompt_tokens ? (ready + kPageTokens - 1) / kPageTokens : ready / kPageTokens;
  uint32_t& pushed = impl_->pushed[layer];
  for (; pushed < blocks; ++pushed) impl_->Push(static_cast<uint32_t>(layer), pushed);
}

absl::StatusOr<HandoffManifest> KvPush::Finish(SteadyTime deadline) {
  RETURN_IF_ERROR(impl_->refused);
  const uint32_t blocks = (impl_->ticket.prompt_tokens + kPageTokens - 1) / kPageTokens;
  for (size_t layer = 0; layer < impl_->pushed.size(); ++layer) {
    if (impl_->pushed[layer] != blocks) {
      return FailedPrecondition(
          "hand-off {}: layer {} has {} of {} blocks pushed; call LayerReady to the prompt's end",
          impl_->ticket.session, layer, impl_->pushed[layer], blocks);
    }
  }
  const bool idle = impl_->WaitIdle(deadline);
  MutexLock lock(impl_->in_flight->mu);
  if (!impl_->in_flight->first_error.ok()) {
    return Unavailable("hand-off {} to {:016x}: {}", impl_->ticket.session, impl_->ticket.owner,
                       Message(impl_->in_flight->first_error));
  }
  if (!idle) {
    return DeadlineExceeded("hand-off {} to {:016x}: {} sends were not taken in time",
                            impl_->ticket.session, impl_->ticket.owner, impl_->in_flight->sends);
  }
  return impl_->manifest;
}

}  // namespace conclave
