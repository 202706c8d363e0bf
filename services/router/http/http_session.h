// Inside of http_server: one connection, and what connections share. Includes Asio; for http_*.cc
// only.
#pragma once

// clang-format off
#include <utility>  // before Asio, whose coroutine header uses std::exchange without it
// clang-format on

#include <array>
#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>

#include "common/base/clock.h"
#include "common/base/mutex.h"
#include "services/router/http/http_server.h"

namespace conclave {

class HttpSession;

// Shared by the listener and all sessions; lives until the last of them is gone.
struct HttpCore {
  HttpServerOptions options;
  HttpHandler handler;
  HttpErrorBody error_body;
  boost::asio::io_context io;
  std::atomic<bool> stopping{false};

  Mutex mu;
  CondVar changed;
  std::unordered_map<HttpSession*, std::weak_ptr<HttpSession>> sessions GUARDED_BY(mu);
};

// Everything without a lock runs on the socket's strand. `mu_` guards what exchanges touch from
// other threads.
class HttpSession : public std::enable_shared_from_this<HttpSession> {
 public:
  HttpSession(std::shared_ptr<HttpCore> core, boost::asio::ip::tcp::socket socket);
  ~HttpSession();

  void Start();
  // From any thread: close now when idle, else after the answer in progress.
  void BeginStop();
  // From any thread: close now.
  void Abort();

 private:
  friend class HttpExchangeImpl;
  struct Parser;  // Beast's, kept out of this header
  enum class Phase { kIdle, kHead, kBody, kAnswering, kLingering };

  void Read();
  void OnRead(bool eof, bool failed, size_t bytes);
  void Parse();
  void ParserFailed(int status, const std::string& message);
  void Dispatch();
  void Flush();
  void WriteSome();
  void AnswerDone();
  void Gone();  // the client left or was thrown out
  void Close();
  void ArmRead(std::chrono::milliseconds timeout);
  void ArmWrite();
  void ScheduleFlush() REQUIRES(mu_);

  const std::shared_ptr<HttpCore> core_;
  boost::asio::ip::tcp::socket socket_;
  boost::asio::steady_timer read_timer_, write_timer_;
  std::array<char, 16384> chunk_;
  std::string inbox_;  // received, not yet parsed
  std::unique_ptr<Parser> parser_;
  Phase phase_ = Phase::kIdle;
  size_t head_bytes_ = 0;
  bool reading_ = false, writing_ = false, closed_ = false, eof_ = false, keep_alive_ = true;
  std::string in_flight_;  // being written
  size_t written_ = 0;     // bytes of in_flight_

  Mutex mu_;
  std::string outbox_ GUARDED_BY(mu_);  // waits behind in_flight_
  size_t unread_ GUARDED_BY(mu_) = 0;   // bytes of outbox_ and in_flight_
  bool flush_scheduled_ GUARDED_BY(mu_) = false;
  bool answer_complete_ GUARDED_BY(mu_) = false;  // all of it is in outbox_
  bool gone_ GUARDED_BY(mu_) = false;
  std::function<void()> on_disconnect_ GUARDED_BY(mu_);
};

// How an answer is framed.
struct HttpFraming {
  bool http10 = false;
  bool head_only = false;
  bool keep_alive = true;
};
std::string FormatResponse(const HttpResponse& response, const HttpFraming& framing);

}  // namespace conclave
