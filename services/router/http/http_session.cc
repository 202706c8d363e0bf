#include "services/router/http/http_session.h"

#include <boost/asio/dispatch.hpp>
#include <boost/asio/post.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>

#include "common/base/log.h"
#include "services/router/http/http_exchange.h"

namespace conclave {
namespace asio = boost::asio;
namespace http = boost::beast::http;

namespace {

constexpr size_t kMaxPipelinedBytes = 64 << 10;  // read ahead while a request is being answered
constexpr std::chrono::milliseconds kLinger{1000};

std::string PercentDecode(std::string_view text) {
  const auto digit = [](char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
  };
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && digit(text[i + 1]) >= 0 &&
        digit(text[i + 2]) >= 0) {
      out += static_cast<char>(digit(text[i + 1]) * 16 + digit(text[i + 2]));
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

std::string PathOf(std::string_view target) {
  if (const size_t scheme = target.find("://");
      scheme != std::string_view::npos && target.front() != '/') {
    const size_t slash = target.find('/', scheme + 3);
    target = slash == std::string_view::npos ? std::string_view("/") : target.substr(slash);
  }
  return PercentDecode(target.substr(0, target.find_first_of("?#")));
}

std::string Lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

HttpRequest ToRequest(http::request<http::string_body>&& message) {
  HttpRequest request;
  request.method = std::string(message.method_string());
  request.path = PathOf({message.target().data(), message.target().size()});
  for (const auto& field : message) {
    std::string& value =
        request.headers[Lower({field.name_string().data(), field.name_string().size()})];
    if (!value.empty()) value += ", ";
    value.append(field.value().data(), field.value().size());
  }
  request.body = std::move(message.body());
  return request;
}

}  // namespace

struct HttpSession::Parser {
  http::request_parser<http::string_body> beast;
};

HttpSession::HttpSession(std::shared_ptr<HttpCore> core, asio::ip::tcp::socket socket)
    : core_(std::move(core)),
      socket_(std::move(socket)),
      read_timer_(socket_.get_executor()),
      write_timer_(socket_.get_executor()) {}

HttpSession::~HttpSession() = default;

void HttpSession::Start() {
  asio::dispatch(socket_.get_executor(), [self = shared_from_this()] {
    boost::system::error_code ignored;
    self->socket_.set_option(asio::ip::tcp::no_delay(true), ignored);
    self->ArmRead(self->core_->options.idle_timeout);
    self->Read();
  });
}

void HttpSession::BeginStop() {
  asio::post(socket_.get_executor(), [self = shared_from_this()] {
    self->keep_alive_ = false;
    if (self->phase_ != Phase::kAnswering) self->Close();
  });
}

void HttpSession::Abort() {
  asio::post(socket_.get_executor(), [self = shared_from_this()] { self->Gone(); });
}

void HttpSession::Read() {
  if (reading_ || closed_ || eof_) return;
  if (phase_ == Phase::kAnswering && inbox_.size() >= kMaxPipelinedBytes) return;
  reading_ = true;
  socket_.async_read_some(asio::buffer(chunk_), [self = shared_from_this()](
                                                    boost::system::error_code error, size_t bytes) {
    self->OnRead(error == asio::error::eof, static_cast<bool>(error), bytes);
  });
}

void HttpSession::OnRead(bool eof, bool failed, size_t bytes) {
  reading_ = false;
  if (closed_) return;
  if (failed) {
    eof_ = eof;
    bool complete = false;
    {
      MutexLock lock(mu_);
      complete = answer_complete_;
    }
    // A client that half-closed may still read the rest of a complete answer.
    if (eof && phase_ == Phase::kAnswering && complete) {
      keep_alive_ = false;
      return;
    }
    return phase_ == Phase::kAnswering ? Gone() : Close();
  }
  if (phase_ != Phase::kLingering) {
    inbox_.append(chunk_.data(), bytes);
    Parse();
  }
  Read();
}

void HttpSession::Parse() {
  while (!inbox_.empty() && !closed_ && phase_ != Phase::kAnswering &&
         phase_ != Phase::kLingering) {
    if (phase_ == Phase::kIdle) {
      parser_ = std::make_unique<Parser>();
      parser_->beast.header_limit(static_cast<uint32_t>(core_->options.max_head_bytes));
      parser_->beast.body_limit(static_cast<uint64_t>(core_->options.max_body_bytes));
      phase_ = Phase::kHead;
      head_bytes_ = 0;
      ArmRead(core_->options.head_timeout);
    }
    boost::system::error_code error;
    const size_t used = parser_->beast.put(asio::buffer(inbox_), error);
    inbox_.erase(0, used);
    if (error == http::error::body_limit) {
      return ParserFailed(413, fmt::format("the request body is larger than the limit of {} bytes",
                                           core_->options.max_body_bytes));
    }
    const bool head_done = parser_->beast.is_header_done();
    if (phase_ == Phase::kHead) head_bytes_ += used;  // the parser stops at the head's end
    if (error == http::error::header_limit ||
        head_bytes_ + (head_done ? 0 : inbox_.size()) >
            static_cast<size_t>(core_->options.max_head_bytes)) {
      return ParserFailed(431,
                          fmt::format("the request's head is larger than the limit of {} bytes",
                                      core_->options.max_head_bytes));
    }
    if (error && error != http::error::need_more) {
      return ParserFailed(400, "not a valid HTTP request: " + error.message());
    }
    if (phase_ == Phase::kHead && head_done) {
      phase_ = Phase::kBody;
      parser_->beast.eager(true);
      ArmRead(core_->options.body_timeout);
      const auto expect = parser_->beast.get()[http::field::expect];
      if (!parser_->beast.is_done() && Lower({expect.data(), expect.size()}) == "100-continue") {
        MutexLock lock(mu_);
        outbox_ += "HTTP/1.1 100 Continue\r\n\r\n";
        unread_ = outbox_.size();
        ScheduleFlush();
      }
    }
    if (parser_->beast.is_done()) return Dispatch();
    if (error == http::error::need_more) return;
  }
}

void HttpSession::ParserFailed(int status, const std::string& message) {
  phase_ = Phase::kAnswering;
  keep_alive_ = false;
  read_timer_.cancel();
  HttpResponse response;
  response.status = status;
  response.body = core_->error_body(status, message);
  MutexLock lock(mu_);
  outbox_ += FormatResponse(response, {.keep_alive = false});
  unread_ = outbox_.size() + in_flight_.size() - written_;
  answer_complete_ = true;
  ScheduleFlush();
}

void HttpSession::Dispatch() {
  auto message = parser_->beast.release();
  parser_.reset();
  phase_ = Phase::kAnswering;
  read_timer_.cancel();
  HttpFraming framing;
  framing.http10 = message.version() < 11;
  keep_alive_ = message.keep_alive() && !framing.http10 && !core_->stopping;
  framing.head_only = message.method() == http::verb::head;
  framing.keep_alive = keep_alive_;
  auto exchange = std::make_shared<HttpExchangeImpl>(shared_from_this(),
                                                     ToRequest(std::move(message)), framing);
  try {
    core_->handler(std::move(exchange));  // dropped by an exception: answers 500
  } catch (const std::exception& error) {
    LogError("http handler failed", {{"error", error.what()}});
  }
}

void HttpSession::ScheduleFlush() {
  if (flush_scheduled_ || gone_) return;
  flush_scheduled_ = true;
  asio::post(socket_.get_executor(), [self = shared_from_this()] { self->Flush(); });
}

void HttpSession::Flush() {
  bool complete = false;
  {
    MutexLock lock(mu_);
    flush_scheduled_ = false;
    if (writing_ || closed_) return;
    in_flight_.clear();
    written_ = 0;
    in_flight_.swap(outbox_);
    complete = answer_complete_;
  }
  if (in_flight_.empty()) {
    if (complete) AnswerDone();
    return;
  }
  writing_ = true;
  WriteSome();
}

void HttpSession::WriteSome() {
  ArmWrite();
  socket_.async_write_some(
      asio::buffer(in_flight_.data() + written_, in_flight_.size() - written_),
      [self = shared_from_this()](boost::system::error_code error, size_t bytes) {
        self->write_timer_.cancel();
        if (self->closed_) return;
        if (error) return self->Gone();
        self->written_ += bytes;
        {
          MutexLock lock(self->mu_);
          self->unread_ -= bytes;
        }
        if (self->written_ < self->in_flight_.size()) return self->WriteSome();
        self->writing_ = false;
        self->Flush();
      });
}

void HttpSession::AnswerDone() {
  if (phase_ != Phase::kAnswering) return;
  {
    MutexLock lock(mu_);
    answer_complete_ = false;
  }
  if (!keep_alive_ || eof_ || core_->stopping) {
    if (eof_ || core_->stopping) return Close();
    // Take what the client still sends, so that the kernel does not reset the connection under the
    // answer.
    boost::system::error_code ignored;
    socket_.shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
    phase_ = Phase::kLingering;
    inbox_.clear();
    ArmRead(kLinger);
    return Read();
  }
  phase_ = Phase::kIdle;
  ArmRead(core_->options.idle_timeout);
  Parse();
  Read();
}

void HttpSession::Gone() {
  std::function<void()> callback;
  {
    MutexLock lock(mu_);
    if (gone_) return;
    gone_ = true;
    callback.swap(on_disconnect_);
    outbox_.clear();
  }
  Close();
  if (callback) callback();
}

void HttpSession::Close() {
  if (closed_) return;
  closed_ = true;
  {
    MutexLock lock(mu_);
    gone_ = true;
  }
  boost::system::error_code ignored;
  read_timer_.cancel();
  write_timer_.cancel();
  socket_.close(ignored);
  MutexLock lock(core_->mu);
  core_->sessions.erase(this);
  core_->changed.NotifyAll();
}

void HttpSession::ArmRead(std::chrono::milliseconds timeout) {
  read_timer_.expires_after(timeout);
  read_timer_.async_wait([self = shared_from_this()](boost::system::error_code error) {
    // A timer that was moved while its handler waited in the queue is not due.
    if (error || self->closed_ || self->read_timer_.expiry() > Now()) return;
    if (self->phase_ == Phase::kAnswering) return;
    self->Close();
  });
}

void HttpSession::ArmWrite() {
  write_timer_.expires_after(core_->options.write_timeout);
  write_timer_.async_wait([self = shared_from_this()](boost::system::error_code error) {
    if (error || self->closed_ || self->write_timer_.expiry() > Now()) return;
    if (self->writing_) self->Gone();
  });
}

}  // namespace conclave
