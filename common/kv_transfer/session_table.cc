#include "common/kv_transfer/session_table.h"

#include <algorithm>
#include <utility>

#include "common/base/check.h"

namespace conclave {

HandoffTicket SessionTable::Open(uint64_t generation, uint32_t prompt_tokens, uint32_t layers,
                                 std::vector<int32_t> pages) {
  CONCLAVE_CHECK(prompt_tokens > 0 && layers > 0);
  CONCLAVE_CHECK(pages.size() == (prompt_tokens + kPageTokens - 1) / kPageTokens);
  auto session = std::make_unique<Session>();
  session->extents.resize(pages.size() * layers);
  session->missing = session->extents.size();
  session->pages = std::move(pages);
  session->ticket.generation = generation;
  session->ticket.owner = owner_;
  session->ticket.prompt_tokens = prompt_tokens;
  session->ticket.layers = layers;
  session->ticket.token_bytes = token_bytes_;
  MutexLock lock(mu_);
  session->ticket.session = ++last_session_;
  const HandoffTicket ticket = session->ticket;
  sessions_[ticket.session] = std::move(session);
  return ticket;
}

uint32_t SessionTable::BlockBytes(const HandoffTicket& ticket, uint32_t block) const {
  const uint32_t first = block * kPageTokens;
  return std::min<uint32_t>(kPageTokens, ticket.prompt_tokens - first) * token_bytes_;
}

bool SessionTable::Begin(const KvPushHeader& header, size_t payload_bytes, Slot* slot) {
  MutexLock lock(mu_);
  const auto it = sessions_.find(header.session);
  if (it == sessions_.end() || it->second->closed ||
      it->second->ticket.generation != header.generation || header.owner != owner_) {
    ++counters_.dropped_stale;
    return false;
  }
  Session& session = *it->second;
  if (header.layer >= session.ticket.layers || header.block >= session.pages.size() ||
      header.bytes != BlockBytes(session.ticket, header.block) || payload_bytes != header.bytes) {
    ++counters_.dropped_invalid;
    return false;
  }
  const size_t index = header.layer * session.pages.size() + header.block;
  Extent& extent = session.extents[index];
  if (extent.state != State::kMissing) {
    ++counters_.dropped_invalid;
    return false;
  }
  extent = {State::kCopying, header.source, header.digest};
  ++session.users;
  *slot = {header.session, index, session.pages[header.block], header.layer, header.bytes};
  return true;
}

void SessionTable::End(const Slot& slot) {
  MutexLock lock(mu_);
  Session& session = *sessions_.at(slot.session);  // Close waits for users, so it is still there
  --session.users;
  session.extents[slot.extent].state = State::kPresent;
  --session.missing;
  ++counters_.extents;
  counters_.bytes += slot.bytes;
  changed_.NotifyAll();
}

absl::Status SessionTable::CheckCover(const Session& session,
                                      const HandoffManifest& manifest) const {
  const HandoffTicket& ticket = session.ticket;
  const size_t blocks = session.pages.size();
  if (manifest.extents.size() != session.extents.size()) {
    return InvalidArgument(
        "manifest of session {} lists {} extents, {} layers of {} blocks need {}", ticket.session,
        manifest.extents.size(), ticket.layers, blocks, session.extents.size());
  }
  std::vector<bool> seen(session.extents.size(), false);
  for (const HandoffExtent& extent : manifest.extents) {
    if (extent.layer >= ticket.layers || extent.block >= blocks) {
      return InvalidArgument(
          "manifest of session {} names layer {} block {}, the prompt has {} layers of {} blocks",
          ticket.session, extent.layer, extent.block, ticket.layers, blocks);
    }
    if (extent.bytes != BlockBytes(ticket, extent.block)) {
      return InvalidArgument(
          "manifest of session {}: layer {} block {} has {} bytes, the prompt of {} tokens needs "
          "{}",
          ticket.session, extent.layer, extent.block, extent.bytes, ticket.prompt_tokens,
          BlockBytes(ticket, extent.block));
    }
    const size_t index = extent.layer * blocks + extent.block;
    if (seen[index]) {
      return InvalidArgument("manifest of session {} lists layer {} block {} twice", ticket.session,
                             extent.layer, extent.block);
    }
    seen[index] = true;
  }
  return absl::OkStatus();
}

std::string SessionTable::DescribeMissing(const Session& session) {
  constexpr int kNamed = 4;
  std::string text;
  int named = 0;
  for (size_t i = 0; i < session.extents.size() && named < kNamed; ++i) {
    if (session.extents[i].state == State::kPresent) continue;
    text += fmt::format("{}layer {} block {}", named++ == 0 ? "" : ", ", i / session.pages.size(),
                        i % session.pages.size());
  }
  if (session.missing > kNamed) text += ", ...";
  return text;
}

absl::StatusOr<std::vector<SessionTable::Arrived>> SessionTable::Acquire(
    const HandoffManifest& manifest, SteadyTime deadline) {
  MutexLock lock(mu_);
  auto it = sessions_.find(manifest.session);
  if (it == sessions_.end() || it->second->closed) {
    return InvalidArgument("manifest names session {}, which is not open here", manifest.session);
  }
  Session& session = *it->second;
  if (session.ticket.generation != manifest.generation) {
    return InvalidArgument("manifest of session {} is of generation {}, the session of {}",
                           manifest.session, manifest.generation, session.ticket.generation);
  }
  RETURN_IF_ERROR(CheckCover(session, manifest));
  ++session.users;
  while (session.missing > 0 && !session.closed) {
    if (!changed_.WaitUntil(mu_, deadline) && Now() >= deadline) break;
  }
  absl::Status status;
  if (session.closed) {
    status = Cancelled("session {} was closed while its extents were awaited", manifest.session);
  } else if (session.missing > 0) {
    status = DeadlineExceeded("session {}: {} of {} extents did not arrive in time: {}",
                              manifest.session, session.missing, session.extents.size(),
                              DescribeMissing(session));
  }
  if (!status.ok()) {
    --session.users;
    changed_.NotifyAll();
    return status;
  }
  std::vector<Arrived> arrived(session.extents.size());
  const size_t blocks = session.pages.size();
  for (size_t i = 0; i < arrived.size(); ++i) {
    const auto layer = static_cast<uint32_t>(i / blocks), block = static_cast<uint32_t>(i % blocks);
    arrived[i] = {
        {manifest.session, i, session.pages[block], layer, BlockBytes(session.ticket, block)},
        session.extents[i].source,
        session.extents[i].digest};
  }
  return arrived;
}

void SessionTable::Release(uint64_t session) {
  MutexLock lock(mu_);
  --sessions_.at(session)->users;
  changed_.NotifyAll();
}

void SessionTable::Close(uint64_t session) {
  MutexLock lock(mu_);
  const auto it = sessions_.find(session);
  if (it == sessions_.end()) return;
  if (it->second->closed) {  // somebody else closes it: wait for the same moment
    while (sessions_.count(session) > 0) changed_.Wait(mu_);
    return;
  }
  Session& closing = *it->second;
  closing.closed = true;
  changed_.NotifyAll();
  // A copy of one extent or the digests of one prompt: no user waits for anything else.
  while (closing.users > 0) changed_.Wait(mu_);
  sessions_.erase(session);
  changed_.NotifyAll();
}

void SessionTable::CloseAll() {
  std::vector<uint64_t> open;
  {
    MutexLock lock(mu_);
    for (const auto& [id, session] : sessions_) open.push_back(id);
  }
  for (const uint64_t id : open) Close(id);
}

KvReceiver::Counters SessionTable::counters() const {
  MutexLock lock(mu_);
  return counters_;
}

void SessionTable::CountInvalid() {
  MutexLock lock(mu_);
  ++counters_.dropped_invalid;
}

void SessionTable::CountDigestFailure() {
  MutexLock lock(mu_);
  ++counters_.digest_failures;
}

}  // namespace conclave
