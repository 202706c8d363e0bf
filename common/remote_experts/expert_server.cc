#include "common/remote_experts/expert_server.h"

#include <algorithm>
#include <cstring>
#include <set>
#include <thread>
#include <unordered_map>
#include <utility>

#include "common/base/digest.h"
#include "common/base/mutex.h"
#include "common/remote_experts/expert_queue.h"
#include "common/remote_experts/wire.h"

namespace conclave {
namespace {

// Answers that a client does not take: beyond this many bytes it gets BUSY until it reads on.
constexpr int64_t kMaxUnsentBytes = 64ll << 20;

// An answer on its way; owns what the transport reads.
struct Answer {
  ResultHeader header;
  std::vector<uint8_t> own;                  // short payloads
  std::shared_ptr<std::vector<float>> rows;  // answers of a batch share one buffer
};

}  // namespace

struct ExpertServer::Impl {
  Impl(Transport& transport, ExpertBackend& experts, std::function<bool(int, int)> holds,
       std::function<uint64_t()> epoch, const ExpertServerOptions& options)
      : transport(transport),
        experts(experts),
        holds(std::move(holds)),
        epoch(std::move(epoch)),
        queue(options.max_queued_rows, options.max_batch_rows) {}

  void OnMessage(const IncomingMessage& message);
  void Run();
  void Compute(std::vector<ExpertJob> batch);
  absl::Status ComputeTogether(const std::vector<ExpertJob>& batch, std::vector<float>& out);
  void Send(const std::shared_ptr<ExpertPeer>& peer, const std::shared_ptr<Answer>& answer,
            std::span<const uint8_t> payload);
  void Refuse(const std::shared_ptr<ExpertPeer>& peer, const DispatchHeader& dispatch,
              ResultCode code, std::vector<uint8_t> payload = {});
  std::shared_ptr<Answer> NewAnswer(const DispatchHeader& dispatch, ResultCode code) const;

  std::shared_ptr<ExpertPeer> FindPeer(Incarnation incarnation) {
    MutexLock lock(mu);
    const auto it = peers.find(incarnation);
    return it == peers.end() ? nullptr : it->second;
  }

  Transport& transport;
  ExpertBackend& experts;
  const std::function<bool(int, int)> holds;
  const std::function<uint64_t()> epoch;
  ExpertQueue queue;
  std::thread thread;
  std::atomic<uint64_t> dispatches{0}, picks{0}, batches{0}, not_hosted{0}, busy{0}, expired{0},
      invalid{0};
  std::atomic<double> pick_us{50};  // recent compute time of one pick
  Mutex mu;
  std::unordered_map<Incarnation, std::shared_ptr<ExpertPeer>> peers GUARDED_BY(mu);
};

std::shared_ptr<Answer> ExpertServer::Impl::NewAnswer(const DispatchHeader& dispatch,
                                                      ResultCode code) const {
  auto answer = std::make_shared<Answer>();
  ResultHeader& header = answer->header;
  header.code = static_cast<uint8_t>(code);
  header.host = transport.incarnation();
  header.epoch = epoch();
  header.call = dispatch.call;
  header.attempt = dispatch.attempt;
  header.picks = dispatch.picks;
  header.hidden = dispatch.hidden;
  return answer;
}

void ExpertServer::Impl::Send(const std::shared_ptr<ExpertPeer>& peer,
                              const std::shared_ptr<Answer>& answer,
                              std::span<const uint8_t> payload) {
  answer->header.digest = Digest(payload.data(), payload.size());
  const auto bytes = static_cast<int64_t>(payload.size());
  peer->unsent_bytes += bytes;
  peer->endpoint->Send(Channel::kExpertResult, HeaderBytes(answer->header), {&payload, 1},
                       [peer, answer, bytes](const absl::Status&) { peer->unsent_bytes -= bytes; });
}

void ExpertServer::Impl::Refuse(const std::shared_ptr<ExpertPeer>& peer,
                                const DispatchHeader& dispatch, ResultCode code,
                                std::vector<uint8_t> payload) {
  auto answer = NewAnswer(dispatch, code);
  if (code == ResultCode::kBusy) {
    const double wait_ms =
        static_cast<double>(queue.queued_picks()) * pick_us / 2e3;  // until half is done
    answer->header.retry_after_ms = static_cast<uint32_t>(std::clamp(wait_ms, 5.0, 500.0));
  }
  answer->own = std::move(payload);
  Send(peer, answer, answer->own);
}

void ExpertServer::Impl::OnMessage(const IncomingMessage& message) {
  ++dispatches;
  auto parsed = ParseDispatch(message.header, message.payload);
  const auto peer = FindPeer(message.from);
  if (!parsed.ok() || peer == nullptr || parsed->header.client != message.from) {
    ++invalid;
    return;
  }
  const DispatchHeader& header = parsed->header;
  std::set<uint32_t> wanted, missing;
  for (const ExpertPick& pick : parsed->picks) wanted.insert(pick.expert);
  for (const uint32_t expert : wanted) {
    if (!holds(static_cast<int>(header.layer), static_cast<int>(expert))) missing.insert(expert);
  }
  if (!missing.empty()) {
    ++not_hosted;
    std::vector<uint8_t> payload(missing.size() * sizeof(uint32_t));
    const std::vector<uint32_t> list(missing.begin(), missing.end());
    std::memcpy(payload.data(), list.data(), payload.size());
    return Refuse(peer, header, ResultCode::kNotHosted, std::move(payload));
  }
  ExpertJob job{peer,
                header,
                std::move(parsed->picks),
                {parsed->rows.begin(), parsed->rows.end()},
                After(std::chrono::milliseconds(header.deadline_ms))};
  if (peer->unsent_bytes > kMaxUnsentBytes || !queue.Push(std::move(job))) {
    ++busy;
    Refuse(peer, header, ResultCode::kBusy);
  }
}

// Concatenates rows and picks; `out` is [all picks, hidden].
absl::Status ExpertServer::Impl::ComputeTogether(const std::vector<ExpertJob>& batch,
                                                 std::vector<float>& out) {
  const DispatchHeader& first = batch.front().header;
  RoutedRows rows;
  rows.layer = static_cast<int>(first.layer);
  rows.hidden = static_cast<int>(first.hidden);
  rows.mode = static_cast<ComputeMode>(first.mode);
  rows.deadline = SteadyTime::min();
  std::vector<ExpertPick> merged_picks;
  std::vector<uint8_t> merged_rows;
  for (const ExpertJob& job : batch) {
    if (batch.size() > 1) {
      for (const ExpertPick& pick : job.picks) {
        merged_picks.push_back({pick.row + static_cast<uint32_t>(rows.num_rows), pick.expert});
      }
      merged_rows.insert(merged_rows.end(), job.rows.begin(), job.rows.end());
    }
    rows.num_rows += static_cast<int>(job.header.rows);
    rows.deadline = std::max(rows.deadline, job.deadline);
  }
  rows.rows = batch.size() > 1 ? merged_rows.data() : batch.front().rows.data();
  rows.picks = batch.size() > 1 ? std::span<const ExpertPick>(merged_picks) : batch.front().picks;
  out.resize(rows.picks.size() * static_cast<size_t>(rows.hidden));
  const SteadyTime start = Now();
  ASSIGN_OR_RETURN(const auto call, experts.Dispatch(rows, out.data()));
  RETURN_IF_ERROR(call->Wait());
  ++batches;
  picks += rows.picks.size();
  pick_us =
      0.9 * pick_us + 0.1 * SecondsSince(start) * 1e6 / static_cast<double>(rows.picks.size());
  return absl::OkStatus();
}

void ExpertServer::Impl::Compute(std::vector<ExpertJob> batch) {
  auto out = std::make_shared<std::vector<float>>();
  const absl::Status status = ComputeTogether(batch, *out);
  if (!status.ok() && batch.size() > 1) {  // one client's rows must not spoil the others' answers
    for (ExpertJob& job : batch) {
      std::vector<ExpertJob> alone;
      alone.push_back(std::move(job));
      Compute(std::move(alone));
    }
    return;
  }
  if (!status.ok()) {
    const std::string text = status.ToString().substr(0, kMaxText);
    return Refuse(batch.front().peer, batch.front().header, ResultCode::kError,
                  {text.begin(), text.end()});
  }
  const auto* bytes = reinterpret_cast<const uint8_t*>(out->data());
  for (const ExpertJob& job : batch) {
    auto answer = NewAnswer(job.header, ResultCode::kOk);
    answer->rows = out;
    const size_t count = job.picks.size() * static_cast<size_t>(job.header.hidden) * sizeof(float);
    Send(job.peer, answer, {bytes, count});
    bytes += count;
  }
}

void ExpertServer::Impl::Run() {
  while (true) {
    std::vector<ExpertJob> batch = queue.PopBatch();
    if (batch.empty()) return;
    const SteadyTime now = Now();
    std::erase_if(batch, [&](const ExpertJob& job) {
      if (job.deadline > now) return false;
      ++expired;
      Refuse(job.peer, job.header, ResultCode::kExpired);
      return true;
    });
    if (!batch.empty()) Compute(std::move(batch));
  }
}

ExpertServer::ExpertServer(Transport& transport, ExpertBackend& experts,
                           std::function<bool(int layer, int expert)> holds,
                           std::function<uint64_t()> epoch, const ExpertServerOptions& options)
    : impl_(
          std::make_unique<Impl>(transport, experts, std::move(holds), std::move(epoch), options)) {
  impl_->thread = std::thread([impl = impl_.get()] { impl->Run(); });
  transport.SetHandler(Channel::kExpertDispatch,
                       [impl = impl_.get()](const IncomingMessage& m) { impl->OnMessage(m); });
}

ExpertServer::~ExpertServer() {
  impl_->transport.SetHandler(Channel::kExpertDispatch, nullptr);
  impl_->queue.Stop();
  impl_->thread.join();
}

void ExpertServer::AddPeer(Incarnation incarnation, std::shared_ptr<Endpoint> endpoint) {
  auto peer = std::make_shared<ExpertPeer>(std::move(endpoint));
  MutexLock lock(impl_->mu);
  impl_->peers[incarnation].swap(peer);
}

void ExpertServer::RemovePeer(Incarnation incarnation) {
  std::shared_ptr<ExpertPeer> removed;  // closes outside the lock
  MutexLock lock(impl_->mu);
  const auto it = impl_->peers.find(incarnation);
  if (it == impl_->peers.end()) return;
  removed = std::move(it->second);
  impl_->peers.erase(it);
}

ExpertServer::Counters ExpertServer::counters() const {
  Counters counters;
  counters.dispatches = impl_->dispatches;
  counters.picks = impl_->picks;
  counters.batches = impl_->batches;
  counters.not_hosted = impl_->not_hosted;
  counters.busy = impl_->busy;
  counters.expired = impl_->expired;
  counters.invalid = impl_->invalid;
  counters.queued_rows = static_cast<uint64_t>(impl_->queue.queued_picks());
  return counters;
}

}  // namespace conclave
