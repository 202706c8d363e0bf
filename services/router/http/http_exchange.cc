#include "services/router/http/http_exchange.h"

#include "common/base/status.h"

namespace conclave {

std::string FormatResponse(const HttpResponse& response, const HttpFraming& framing) {
  std::string out =
      fmt::format("HTTP/1.1 {} {}\r\nContent-Type: {}\r\nContent-Length: {}\r\n", response.status,
                  HttpReason(response.status), response.content_type, response.body.size());
  for (const auto& [name, value] : response.headers) out += fmt::format("{}: {}\r\n", name, value);
  out += framing.keep_alive ? "\r\n" : "Connection: close\r\n\r\n";
  if (!framing.head_only) out += response.body;
  return out;
}

HttpExchangeImpl::~HttpExchangeImpl() {
  if (state_ == State::kPending) {
    HttpResponse response;
    response.status = 500;
    response.body =
        session_->core_->error_body(500, "the server dropped the request without an answer");
    Respond(std::move(response));
  } else if (state_ == State::kStreaming) {
    session_->Abort();  // what was sent must not look complete
  }
}

bool HttpExchangeImpl::Append(std::string data, State next) {
  std::function<void()> callback;  // destroyed outside the lock: it may hold this exchange
  bool too_slow = false;
  {
    MutexLock lock(session_->mu_);
    state_ = next;
    if (session_->gone_) return false;
    session_->unread_ += data.size();
    session_->outbox_ += data;
    if (next == State::kDone) {
      session_->answer_complete_ = true;
      callback.swap(session_->on_disconnect_);
    }
    too_slow = next == State::kStreaming &&
               session_->unread_ > static_cast<size_t>(session_->core_->options.max_unread_bytes);
    if (!too_slow) session_->ScheduleFlush();
  }
  if (too_slow) session_->Abort();
  return !too_slow;
}

bool HttpExchangeImpl::Respond(HttpResponse response) {
  {
    MutexLock lock(session_->mu_);
    if (state_ != State::kPending) return false;
  }
  return Append(FormatResponse(response, framing_), State::kDone);
}

bool HttpExchangeImpl::StartStream(const std::string& content_type) {
  {
    MutexLock lock(session_->mu_);
    if (state_ != State::kPending) return false;
  }
  std::string head = fmt::format(
      "HTTP/1.1 200 OK\r\nContent-Type: {}\r\nCache-Control: no-cache\r\n", content_type);
  if (!framing_.http10) head += "Transfer-Encoding: chunked\r\n";
  head += framing_.keep_alive ? "\r\n" : "Connection: close\r\n\r\n";
  return Append(std::move(head), State::kStreaming);
}

bool HttpExchangeImpl::Write(std::string data) {
  {
    MutexLock lock(session_->mu_);
    if (state_ != State::kStreaming) return false;
  }
  if (data.empty() || framing_.head_only) return true;
  if (!framing_.http10) data = fmt::format("{:x}\r\n{}\r\n", data.size(), data);
  return Append(std::move(data), State::kStreaming);
}

void HttpExchangeImpl::EndStream() {
  {
    MutexLock lock(session_->mu_);
    if (state_ != State::kStreaming) return;
  }
  Append(framing_.http10 || framing_.head_only ? "" : "0\r\n\r\n", State::kDone);
}

void HttpExchangeImpl::OnDisconnect(std::function<void()> callback) {
  bool gone = false;
  {
    MutexLock lock(session_->mu_);
    if (state_ == State::kDone) return;
    gone = session_->gone_;
    if (!gone) session_->on_disconnect_.swap(callback);
  }
  if (gone) callback();
}

}  // namespace conclave
