// Bounds of the HTTP server: sizes, slow clients, numbers of connections.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>

#include "services/router/http/http_server.h"
#include "tests/unit/services/router/http_client.h"

namespace conclave {
namespace {

using testing::HasSubstr;

class HttpLimitsTest : public testing::Test {
 protected:
  std::unique_ptr<HttpServer> Start(const HttpServerOptions& options) {
    auto server = HttpServer::Start(
        options,
        [this](std::shared_ptr<HttpExchange> exchange) {
          if (exchange->request().path == "/hold") return held_.set_value(std::move(exchange));
          HttpResponse response;
          response.body = std::to_string(exchange->request().body.size());
          exchange->Respond(std::move(response));
        },
        [](int status, const std::string& message) {
          return std::to_string(status) + ": " + message;
        });
    EXPECT_TRUE(server.ok()) << server.status();
    return std::move(server).value();
  }
  std::promise<std::shared_ptr<HttpExchange>> held_;
};

TEST_F(HttpLimitsTest, BodyTooLarge) {
  HttpServerOptions options;
  options.max_body_bytes = 1000;
  const auto server = Start(options);
  EXPECT_EQ(Fetch(server->address(), "POST", "/", std::string(1000, 'x')).body, "1000");
  HttpReply reply = Fetch(server->address(), "POST", "/", std::string(1001, 'x'));
  EXPECT_EQ(reply.status, 413);
  EXPECT_THAT(reply.body, HasSubstr("limit of 1000 bytes"));

  // A client that only announces too much is refused before it sends it.
  HttpConnection announced(server->address());
  announced.Send("POST / HTTP/1.1\r\nContent-Length: 1000000000000\r\n\r\n");
  EXPECT_EQ(announced.ReadReply().status, 413);

  HttpConnection chunked(server->address());
  chunked.Send("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n");
  chunked.SendUntilClosed("fff\r\n" + std::string(0xfff, 'x') + "\r\n0\r\n\r\n");
  EXPECT_EQ(chunked.ReadReply().status, 413);
}

TEST_F(HttpLimitsTest, ALargeRefusedBodyDoesNotSwallowTheAnswer) {
  HttpServerOptions options;
  options.max_body_bytes = 1000;
  const auto server = Start(options);
  HttpConnection connection(server->address());
  connection.SendUntilClosed("POST / HTTP/1.1\r\nContent-Length: 3000000\r\n\r\n" +
                             std::string(3000000, 'x'));
  EXPECT_EQ(connection.ReadReply().status, 413);
}

TEST_F(HttpLimitsTest, HeadTooLarge) {
  const auto server = Start({});
  HttpConnection one_line(server->address());
  one_line.SendUntilClosed("GET /" + std::string(40000, 'x'));
  EXPECT_EQ(one_line.ReadReply().status, 431);

  HttpConnection many_lines(server->address());
  std::string head = "GET / HTTP/1.1\r\n";
  for (int i = 0; i < 2000; ++i) head += "X-Header-" + std::to_string(i) + ": value\r\n";
  many_lines.SendUntilClosed(head + "\r\n");
  EXPECT_EQ(many_lines.ReadReply().status, 431);
}

TEST_F(HttpLimitsTest, ContinueIsSentWhenAskedFor) {
  const auto server = Start({});
  HttpConnection connection(server->address());
  connection.Send("POST / HTTP/1.1\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n");
  ASSERT_TRUE(connection.ReadUntil("100 Continue\r\n\r\n"));
  connection.Send("data");
  const HttpReply reply = connection.ReadReply();
  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(reply.body, "4");
}

TEST_F(HttpLimitsTest, SilentSlowAndIdleConnectionsAreClosed) {
  HttpServerOptions options;
  options.idle_timeout = options.head_timeout = options.body_timeout =
      std::chrono::milliseconds(50);
  const auto server = Start(options);
  HttpConnection silent(server->address());
  EXPECT_EQ(silent.ReadToEnd(), "");
  HttpConnection half_head(server->address());
  half_head.Send("GET / HTT");
  EXPECT_EQ(half_head.ReadToEnd(), "");
  HttpConnection half_body(server->address());
  half_body.Send("POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\nabc");
  EXPECT_EQ(half_body.ReadToEnd(), "");
  HttpConnection kept(server->address());
  kept.Send("GET / HTTP/1.1\r\n\r\n");
  EXPECT_EQ(kept.ReadReply().status, 200);
  EXPECT_EQ(kept.ReadToEnd(), "");
}

// The client stops reading: the stream is cut at the bound on waiting bytes and the handler is
// told.
TEST_F(HttpLimitsTest, AClientThatDoesNotReadIsThrownOut) {
  HttpServerOptions options;
  options.max_unread_bytes = 1 << 20;
  const auto server = Start(options);
  auto held = held_.get_future();
  HttpConnection connection(server->address());
  connection.SetReceiveBuffer(4096);
  connection.Send("GET /hold HTTP/1.1\r\n\r\n");
  const auto exchange = held.get();
  std::promise<void> gone;
  exchange->OnDisconnect([&] { gone.set_value(); });
  exchange->StartStream("text/plain");
  const std::string piece(64 << 10, 'x');
  int accepted = 0;
  while (exchange->Write(piece))
    ASSERT_LT(++accepted, 10000);  // the kernel's buffers take some, too
  EXPECT_EQ(gone.get_future().wait_for(std::chrono::minutes(1)), std::future_status::ready);
}

TEST_F(HttpLimitsTest, AClientThatReadsTooSlowlyIsThrownOut) {
  HttpServerOptions options;
  options.write_timeout = std::chrono::milliseconds(50);
  options.max_unread_bytes = 64 << 20;
  const auto server = Start(options);
  auto held = held_.get_future();
  HttpConnection connection(server->address());
  connection.SetReceiveBuffer(4096);
  connection.Send("GET /hold HTTP/1.1\r\n\r\n");
  const auto exchange = held.get();
  std::promise<void> gone;
  exchange->OnDisconnect([&] { gone.set_value(); });
  exchange->StartStream("text/plain");
  exchange->Write(std::string(32 << 20, 'x'));  // more than the kernel's buffers take
  EXPECT_EQ(gone.get_future().wait_for(std::chrono::minutes(1)), std::future_status::ready);
}

TEST_F(HttpLimitsTest, TooManyConnectionsAreRefused) {
  HttpServerOptions options;
  options.max_connections = 1;
  const auto server = Start(options);
  HttpConnection first(server->address());
  first.Send("GET / HTTP/1.1\r\n\r\n");
  EXPECT_EQ(first.ReadReply().status, 200);
  HttpConnection second(server->address());
  const HttpReply reply = second.ReadReply();
  EXPECT_EQ(reply.status, 503);
  EXPECT_EQ(reply.headers.at("retry-after"), "1");
}

}  // namespace
}  // namespace conclave
