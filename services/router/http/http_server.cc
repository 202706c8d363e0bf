#include "services/router/http/http_server.h"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/write.hpp>
#include <thread>
#include <vector>

#include "common/base/log.h"
#include "services/router/http/http_session.h"

namespace conclave {
namespace asio = boost::asio;
using asio::ip::tcp;

namespace {

constexpr std::chrono::milliseconds kAcceptRetry{100};  // after "too many open files"
constexpr std::chrono::seconds kCloseWait{5};

}  // namespace

struct HttpServer::Impl {
  explicit Impl(std::shared_ptr<HttpCore> shared)
      : core(std::move(shared)),
        strand(asio::make_strand(core->io)),
        acceptor(strand),
        retry(strand),
        work(asio::make_work_guard(core->io)) {}

  absl::Status Listen();
  void Accept();
  void OnAccept(boost::system::error_code error, tcp::socket socket);
  // Waits until no session is left; false when `deadline` passed.
  bool WaitEmpty(SteadyTime deadline);
  void ForEachSession(void (HttpSession::*action)());

  std::shared_ptr<HttpCore> core;
  asio::strand<asio::io_context::executor_type> strand;
  tcp::acceptor acceptor;
  asio::steady_timer retry;
  asio::executor_work_guard<asio::io_context::executor_type> work;
  std::vector<std::thread> threads;
  std::string address;
};

absl::Status HttpServer::Impl::Listen() {
  const HttpServerOptions& options = core->options;
  boost::system::error_code error;
  const auto ip =
      asio::ip::make_address(options.host == "localhost" ? "127.0.0.1" : options.host, error);
  if (error)
    return InvalidArgument(
        "HTTP host '{}' is not an IP address; use for example 127.0.0.1 or 0.0.0.0", options.host);
  const tcp::endpoint endpoint(ip, static_cast<uint16_t>(options.port));
  acceptor.open(endpoint.protocol(), error);
  if (!error) acceptor.set_option(asio::socket_base::reuse_address(true), error);
  if (!error) acceptor.bind(endpoint, error);
  if (!error) acceptor.listen(asio::socket_base::max_listen_connections, error);
  if (error == asio::error::address_in_use) {
    return AlreadyExists(
        "HTTP port {} on {} is in use; choose another with --http-port N, 0 for a free one",
        options.port, options.host);
  }
  if (error)
    return Unavailable("cannot listen for HTTP on {}:{}: {}", options.host, options.port,
                       error.message());
  const int port = acceptor.local_endpoint(error).port();
  address = ip.is_v6() ? fmt::format("[{}]:{}", options.host, port)
                       : fmt::format("{}:{}", options.host, port);
  return absl::OkStatus();
}

void HttpServer::Impl::Accept() {
  acceptor.async_accept(asio::make_strand(core->io),
                        [this](boost::system::error_code error, tcp::socket socket) {
                          OnAccept(error, std::move(socket));
                        });
}

void HttpServer::Impl::OnAccept(boost::system::error_code error, tcp::socket socket) {
  if (core->stopping || error == asio::error::operation_aborted) return;
  if (error) {
    LogWarning("http accept failed", {{"error", error.message()}});
    retry.expires_after(kAcceptRetry);
    retry.async_wait([this](boost::system::error_code stopped) {
      if (!stopped && !core->stopping) Accept();
    });
    return;
  }
  std::shared_ptr<HttpSession> session;
  {
    MutexLock lock(core->mu);
    // Stop walks the sessions under this lock after it set the flag: none slips in behind it.
    if (!core->stopping &&
        core->sessions.size() < static_cast<size_t>(core->options.max_connections)) {
      session = std::make_shared<HttpSession>(core, std::move(socket));
      core->sessions.emplace(session.get(), session);
    }
  }
  if (session != nullptr) {
    session->Start();
  } else {
    HttpResponse response;
    response.status = 503;
    response.headers = {{"Retry-After", "1"}};
    response.body = core->error_body(
        503, fmt::format("{} connections are open, which is the limit; try again later",
                         core->options.max_connections));
    socket.non_blocking(true, error);
    asio::write(socket, asio::buffer(FormatResponse(response, {.keep_alive = false})), error);
  }
  Accept();
}

bool HttpServer::Impl::WaitEmpty(SteadyTime deadline) {
  MutexLock lock(core->mu);
  while (!core->sessions.empty()) {
    if (!core->changed.WaitUntil(core->mu, deadline) && Now() >= deadline)
      return core->sessions.empty();
  }
  return true;
}

void HttpServer::Impl::ForEachSession(void (HttpSession::*action)()) {
  std::vector<std::shared_ptr<HttpSession>> sessions;
  {
    MutexLock lock(core->mu);
    for (const auto& [key, weak] : core->sessions) {
      if (auto session = weak.lock()) sessions.push_back(std::move(session));
    }
  }
  for (const auto& session : sessions) ((*session).*action)();
}

HttpServer::HttpServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
HttpServer::~HttpServer() { Stop(std::chrono::milliseconds(0)); }
const std::string& HttpServer::address() const { return impl_->address; }

int HttpServer::connections() const {
  MutexLock lock(impl_->core->mu);
  return static_cast<int>(impl_->core->sessions.size());
}

absl::StatusOr<std::unique_ptr<HttpServer>> HttpServer::Start(const HttpServerOptions& options,
                                                              HttpHandler handler,
                                                              HttpErrorBody error_body) {
  auto core = std::make_shared<HttpCore>();
  core->options = options;
  core->handler = std::move(handler);
  core->error_body = std::move(error_body);
  auto impl = std::make_unique<Impl>(std::move(core));
  RETURN_IF_ERROR(impl->Listen());
  impl->Accept();
  for (int i = 0; i < options.threads; ++i) {
    impl->threads.emplace_back([core = impl->core.get()] { core->io.run(); });
  }
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(impl)));
}

void HttpServer::Stop(std::chrono::milliseconds grace) {
  if (impl_->core->stopping.exchange(true)) return;
  asio::post(impl_->strand, [this] {
    boost::system::error_code ignored;
    impl_->acceptor.close(ignored);
    impl_->retry.cancel();
  });
  impl_->ForEachSession(&HttpSession::BeginStop);
  if (!impl_->WaitEmpty(After(grace))) {
    impl_->ForEachSession(&HttpSession::Abort);
    if (!impl_->WaitEmpty(After(kCloseWait)))
      LogError("http connections did not close", {{"open", connections()}});
  }
  // With every socket and timer closed, run() returns by itself once the last handlers ran.
  impl_->work.reset();
  for (std::thread& thread : impl_->threads) thread.join();
}

}  // namespace conclave
