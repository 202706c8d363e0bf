// Inside of http_server: the handler's side of a session. No Asio in here but through the session.
#pragma once

#include "services/router/http/http_session.h"

namespace conclave {

class HttpExchangeImpl : public HttpExchange {
 public:
  HttpExchangeImpl(std::shared_ptr<HttpSession> session, HttpRequest request, HttpFraming framing)
      : session_(std::move(session)), request_(std::move(request)), framing_(framing) {}
  ~HttpExchangeImpl() override;

  const HttpRequest& request() const override { return request_; }
  bool Respond(HttpResponse response) override;
  bool StartStream(const std::string& content_type) override;
  bool Write(std::string data) override;
  void EndStream() override;
  void OnDisconnect(std::function<void()> callback) override;

 private:
  enum class State { kPending, kStreaming, kDone };
  // Appends to the session's outbox; false when the client is gone or too slow.
  bool Append(std::string data, State next);

  const std::shared_ptr<HttpSession> session_;
  const HttpRequest request_;
  const HttpFraming framing_;
  State state_ = State::kPending;  // guarded by session_->mu_
};

}  // namespace conclave
