#include "common/kv_transfer/receiver.h"

#include <cstring>
#include <utility>

#include "common/base/check.h"
#include "common/base/digest.h"
#include "common/kv_transfer/push_header.h"
#include "common/kv_transfer/session_table.h"

namespace conclave {

struct KvReceiver::Impl {
  Impl(Transport& transport, KvCache& cache)
      : transport(transport),
        cache(cache),
        sessions(transport.incarnation(), static_cast<uint32_t>(cache.TokenBytes())) {}

  void OnPush(const IncomingMessage& message) {
    KvPushHeader header;
    if (!KvPushHeader::Parse(message.header, &header)) return sessions.CountInvalid();
    SessionTable::Slot slot;
    if (!sessions.Begin(header, message.payload.size(), &slot)) return;
    std::memcpy(cache.PageLayer(slot.page, static_cast<int>(slot.layer)), message.payload.data(),
                slot.bytes);
    sessions.End(slot);
  }

  absl::Status Compare(const HandoffManifest& manifest,
                       const std::vector<SessionTable::Arrived>& arrived);

  Transport& transport;
  KvCache& cache;
  SessionTable sessions;
};

absl::Status KvReceiver::Impl::Compare(const HandoffManifest& manifest,
                                       const std::vector<SessionTable::Arrived>& arrived) {
  const size_t blocks = arrived.size() / (arrived.back().slot.layer + 1);
  for (const HandoffExtent& extent : manifest.extents) {
    const SessionTable::Arrived& here = arrived[extent.layer * blocks + extent.block];
    const uint64_t digest =
        Digest(cache.PageLayer(here.slot.page, static_cast<int>(extent.layer)), extent.bytes);
    if (here.source != manifest.source) {
      return DataLoss(
          "session {}: layer {} block {} was pushed by {:016x}, the manifest is of {:016x}",
          manifest.session, extent.layer, extent.block, here.source, manifest.source);
    }
    if (digest != extent.digest) {
      return DataLoss(
          "session {}: layer {} block {} ({} bytes) has digest {:016x}, the manifest says {:016x}, "
          "its push "
          "said {:016x}; drop the session and compute the prompt elsewhere",
          manifest.session, extent.layer, extent.block, extent.bytes, digest, extent.digest,
          here.digest);
    }
  }
  return absl::OkStatus();
}

KvReceiver::KvReceiver(Transport& transport, KvCache& cache)
    : impl_(std::make_unique<Impl>(transport, cache)) {
  transport.SetHandler(Channel::kKvPush,
                       [impl = impl_.get()](const IncomingMessage& m) { impl->OnPush(m); });
}

KvReceiver::~KvReceiver() {
  impl_->transport.SetHandler(Channel::kKvPush, nullptr);
  impl_->sessions.CloseAll();
}

HandoffTicket KvReceiver::Open(uint64_t generation, uint32_t prompt_tokens, uint32_t layers,
                               std::vector<int32_t> pages) {
  CONCLAVE_CHECK(layers <= static_cast<uint32_t>(impl_->cache.layers()));
  for (const int32_t page : pages) CONCLAVE_CHECK(page >= 0 && page < impl_->cache.pages());
  return impl_->sessions.Open(generation, prompt_tokens, layers, std::move(pages));
}

absl::Status KvReceiver::Verify(const HandoffManifest& manifest, SteadyTime deadline) {
  ASSIGN_OR_RETURN(const std::vector<SessionTable::Arrived> arrived,
                   impl_->sessions.Acquire(manifest, deadline));
  absl::Status status = impl_->Compare(manifest, arrived);
  impl_->sessions.Release(manifest.session);
  if (!status.ok()) impl_->sessions.CountDigestFailure();
  return status;
}

void KvReceiver::Close(uint64_t session) { impl_->sessions.Close(session); }

KvReceiver::Counters KvReceiver::counters() const { return impl_->sessions.counters(); }

}  // namespace conclave
