// An HTTP/1.1 server over Boost.Beast and Asio, which stay inside http_server.cc and
// http_session.cc.
//
// Every wait is bounded: a connection that sends nothing, sends its head or body too slowly, or
// does not read its answer is closed. While a request is being answered the connection is watched,
// so that handlers learn of a client that left. Pipelined requests are answered in order, one at a
// time.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "common/base/status.h"
#include "services/router/http/http_message.h"

namespace conclave {

struct HttpServerOptions {
  std::string host = "127.0.0.1";
  int port = 0;  // 0 = a free one
  int threads = 2;
  int max_connections = 1024;         // beyond: 503 and closed
  int64_t max_head_bytes = 32 << 10;  // 431 beyond
  int64_t max_body_bytes = 4 << 20;   // 413 beyond
  int64_t max_unread_bytes =
      8 << 20;  // of an answer waiting for a slow client: disconnected beyond
  std::chrono::milliseconds idle_timeout{60000};  // between requests
  std::chrono::milliseconds head_timeout{
      10000};  // from the first byte of a request to the end of its head
  std::chrono::milliseconds body_timeout{30000};  // from the end of the head to the end of the body
  std::chrono::milliseconds write_timeout{15000};  // without the client reading anything
};

class HttpServer {
 public:
  // `handler` runs on the server's threads and must not block. AlreadyExists naming host and port
  // when the port is in use, InvalidArgument for a host that is not an IP address.
  static absl::StatusOr<std::unique_ptr<HttpServer>> Start(const HttpServerOptions& options,
                                                           HttpHandler handler,
                                                           HttpErrorBody error_body);
  ~HttpServer();  // Stop(0)

  const std::string& address() const;  // "host:port"
  int connections() const;             // open ones
  // Refuses connections, lets exchanges in progress finish for up to `grace`, closes what is left,
  // joins the threads. Exchanges may outlive the server; they answer into nothing then. Idempotent.
  void Stop(std::chrono::milliseconds grace);

 private:
  struct Impl;
  explicit HttpServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace conclave
