#include "common/transport/backends/ucx/ucx_peer.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace conclave {

absl::Status UcxHandle::Health() const {
  if (closed) return Unavailable("endpoint to peer {:016x} was closed", remote);
  if (lost) return Unavailable("peer {:016x} was lost", remote);
  return absl::OkStatus();
}

void UcxPeer::Doom(absl::Status why) {
  if (doomed_) return;
  doomed_ = true;
  doom_ = std::move(why);
  for (const auto& handle : handles_) handle->lost = true;
}

void UcxPeer::OnError(void* arg, ucp_ep_h, ucs_status_t status) {
  auto* peer = static_cast<UcxPeer*>(arg);
  peer->Doom(Unavailable("peer {:016x} was lost: {}", peer->remote_, ucs_status_string(status)));
}

absl::Status UcxPeer::Open(ucp_worker_h worker) {
  ucp_ep_params_t params = {};
  params.field_mask = UCP_EP_PARAM_FIELD_REMOTE_ADDRESS | UCP_EP_PARAM_FIELD_ERR_HANDLING_MODE |
                      UCP_EP_PARAM_FIELD_ERR_HANDLER;
  params.address = reinterpret_cast<const ucp_address_t*>(native_.data());
  params.err_mode = UCP_ERR_HANDLING_MODE_PEER;
  params.err_handler.cb = &UcxPeer::OnError;
  params.err_handler.arg = this;
  const ucs_status_t status = ucp_ep_create(worker, &params, &endpoint_);
  if (status == UCS_OK) return absl::OkStatus();
  endpoint_ = nullptr;
  Doom(Unavailable("peer {:016x} cannot be reached: {}", remote_, ucs_status_string(status)));
  return doom_;
}

void UcxPeer::Enqueue(std::shared_ptr<UcxSend> send) {
  if (absl::Status status = send->handle->Health(); !status.ok())
    return Finish(*send, std::move(status));
  if (doomed_) return Finish(*send, doom_);
  unfinished_.push_back(std::move(send));
}

void UcxPeer::Detach(const std::shared_ptr<UcxHandle>& handle) {
  if (std::erase(handles_, handle) == 0) return;
  handle->on_lost = nullptr;
  std::vector<std::shared_ptr<UcxSend>> ended;
  for (const auto& send : unfinished_) {
    if (send->handle == handle) ended.push_back(send);
  }
  std::erase_if(unfinished_, [&](const auto& send) { return send->handle == handle; });
  for (const auto& send : ended) Finish(*send, handle->Health());
}

std::shared_ptr<UcxSend> UcxPeer::NextToCut() {
  while (!unfinished_.empty() && unfinished_.front()->finished) unfinished_.pop_front();
  for (const auto& send : unfinished_) {
    if (!send->all_cut) return send;
  }
  return nullptr;
}

std::unique_ptr<UcxFrame> UcxPeer::CutFrame(const std::shared_ptr<UcxSend>& send) {
  auto frame = std::make_unique<UcxFrame>();
  if (!spare_.empty()) {
    frame->body = std::move(spare_.back());
    spare_.pop_back();
  }
  const bool first = send->cut == 0;
  const auto bytes = static_cast<size_t>(std::min<uint64_t>(kFrameChunk, send->total - send->cut));
  frame->body.resize(bytes + (first ? send->header.size() : 0));
  uint8_t* out = frame->body.data();
  if (first && !send->header.empty()) {
    std::memcpy(out, send->header.data(), send->header.size());
    out += send->header.size();
  }
  for (size_t left = bytes; left > 0;) {
    const auto& piece = send->pieces[send->piece];
    const size_t step = std::min(left, piece.size() - send->piece_offset);
    if (step > 0) std::memcpy(out, piece.data() + send->piece_offset, step);
    out += step;
    left -= step;
    send->piece_offset += step;
    if (send->piece_offset == piece.size()) ++send->piece, send->piece_offset = 0;
  }
  FrameHeader& header = frame->header;
  header.channel = static_cast<uint8_t>(send->channel);
  header.header_bytes = static_cast<uint16_t>(send->header.size());
  header.from = self_;
  header.message = send->id;
  header.total = send->total;
  header.offset = send->cut;
  header.bytes = static_cast<uint32_t>(bytes);
  SealFrame(header, frame->body);
  send->cut += bytes;
  send->all_cut = send->cut == send->total;
  frame->peer = shared_from_this();
  frame->send = send;
  return frame;
}

bool UcxPeer::Pump(int budget, uint64_t* last_message) {
  bool any = false;
  while (!doomed_ && endpoint_ != nullptr && budget-- > 0 && frames_in_flight_ < kWindow) {
    const auto send = NextToCut();
    if (send == nullptr) break;
    if (send->id == 0) send->id = ++*last_message;
    auto frame = CutFrame(send);
    ++send->frames_in_flight;
    ++frames_in_flight_;
    any = true;
    ucp_request_param_t param = {};
    param.op_attr_mask =
        UCP_OP_ATTR_FIELD_CALLBACK | UCP_OP_ATTR_FIELD_USER_DATA | UCP_OP_ATTR_FIELD_FLAGS;
    param.flags = UCP_AM_SEND_FLAG_EAGER;
    param.cb.send = &UcxPeer::OnFrameSent;
    param.user_data = frame.get();
    const ucs_status_ptr_t request =
        ucp_am_send_nbx(endpoint_, kUcxFrameId, &frame->header, sizeof(frame->header),
                        frame->body.data(), frame->body.size(), &param);
    if (UCS_PTR_IS_PTR(request)) {
      frame.release();  // OnFrameSent gets it back
    } else {
      FrameEnded(*frame, UCS_PTR_STATUS(request));
    }
  }
  return any;
}

void UcxPeer::OnFrameSent(void* request, ucs_status_t status, void* raw) {
  const std::unique_ptr<UcxFrame> frame(static_cast<UcxFrame*>(raw));
  ucp_request_free(request);
  const std::shared_ptr<UcxPeer> peer = frame->peer;
  peer->FrameEnded(*frame, status);
}

void UcxPeer::FrameEnded(UcxFrame& frame, ucs_status_t status) {
  constexpr size_t kSpare = 4;
  --frames_in_flight_;
  UcxSend& send = *frame.send;
  --send.frames_in_flight;
  if (spare_.size() < kSpare) spare_.push_back(std::move(frame.body));
  if (status != UCS_OK) {
    // The others of this peer fail when the progress thread shuts it.
    Doom(Unavailable("peer {:016x} was lost: {}", remote_, ucs_status_string(status)));
    return Finish(send, doom_);
  }
  if (send.all_cut && send.frames_in_flight == 0) Finish(send, absl::OkStatus());
}

void UcxPeer::Finish(UcxSend& send, absl::Status status) {
  if (std::exchange(send.finished, true)) return;
  if (status.ok()) {
    ++counters_->messages;
    counters_->bytes += send.header.size() + send.total;
  }
  std::exchange(send.done, nullptr)(std::move(status));
}

ucs_status_ptr_t UcxPeer::Shut(const absl::Status& why, bool quietly) {
  Doom(why);
  ucs_status_ptr_t request = nullptr;
  if (endpoint_ != nullptr) {
    ucp_request_param_t param = {};
    param.op_attr_mask = UCP_OP_ATTR_FIELD_FLAGS;
    param.flags = UCP_EP_CLOSE_FLAG_FORCE;
    request = ucp_ep_close_nbx(std::exchange(endpoint_, nullptr), &param);
  }
  const auto unfinished = std::exchange(unfinished_, {});
  const auto handles = std::exchange(handles_, {});
  for (const auto& send : unfinished) Finish(*send, why);
  for (const auto& handle : handles) {
    handle->lost = true;
    const auto on_lost = std::exchange(handle->on_lost, nullptr);
    if (on_lost && !handle->closed && !quietly) on_lost(why);
  }
  return UCS_PTR_IS_PTR(request) ? request : nullptr;
}

}  // namespace conclave
