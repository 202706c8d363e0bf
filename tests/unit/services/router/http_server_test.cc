#include "services/router/http/http_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <thread>

#include "tests/unit/services/router/http_client.h"

namespace conclave {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

// Answers with what it got; hands exchanges of /hold to the test.
class HttpServerTest : public testing::Test {
 protected:
  void Start(HttpServerOptions options) {
    auto server = HttpServer::Start(
        options, [this](std::shared_ptr<HttpExchange> exchange) { Handle(std::move(exchange)); },
        [](int status, const std::string& message) {
          return std::to_string(status) + ": " + message;
        });
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = std::move(*server);
  }
  void SetUp() override { Start({}); }
  void TearDown() override { server_->Stop(std::chrono::milliseconds(0)); }

  void Handle(std::shared_ptr<HttpExchange> exchange) {
    const HttpRequest& request = exchange->request();
    if (request.path == "/hold") {
      std::promise<std::shared_ptr<HttpExchange>> held = std::move(held_);
      held_ = {};
      return held.set_value(std::move(exchange));
    }
    if (request.path == "/drop") return;
    if (request.path == "/throw") throw std::runtime_error("oops");
    HttpResponse response;
    response.content_type = "text/plain";
    response.body = request.method + " " + request.path + " [" +
                    std::string(request.Header("x-a")) + "] " + request.body;
    exchange->Respond(std::move(response));
  }
  const std::string& address() { return server_->address(); }

  std::promise<std::shared_ptr<HttpExchange>> held_;
  std::unique_ptr<HttpServer> server_;
};

TEST_F(HttpServerTest, KeepsConnectionsAlive) {
  HttpConnection connection(address());
  for (const char* body : {"one", "two"}) {
    connection.Send(
        "POST /a%20b?q=1 HTTP/1.1\r\nHost: x\r\nX-A: 1\r\nx-a: 2\r\nContent-Length: 3\r\n\r\n" +
        std::string(body));
    const HttpReply reply = connection.ReadReply();
    EXPECT_EQ(reply.status, 200);
    EXPECT_EQ(reply.body, "POST /a b [1, 2] " + std::string(body));
  }
  EXPECT_EQ(server_->connections(), 1);
}

TEST_F(HttpServerTest, AnswersPipelinedRequestsInOrder) {
  auto held = held_.get_future();
  HttpConnection connection(address());
  connection.Send("GET /hold HTTP/1.1\r\n\r\nGET /2 HTTP/1.1\r\n\r\nGET /3 HTTP/1.1\r\n\r\n");
  HttpResponse response;
  response.body = "first";
  held.get()->Respond(response);
  EXPECT_EQ(connection.ReadReply().body, "first");
  EXPECT_THAT(connection.ReadReply().body, StartsWith("GET /2"));
  EXPECT_THAT(connection.ReadReply().body, StartsWith("GET /3"));
}

TEST_F(HttpServerTest, StreamsInChunks) {
  auto held = held_.get_future();
  HttpConnection connection(address());
  connection.Send("GET /hold HTTP/1.1\r\n\r\n");
  {
    const auto exchange = held.get();
    EXPECT_TRUE(exchange->StartStream("text/event-stream"));
    EXPECT_TRUE(exchange->Write("hello "));
    ASSERT_TRUE(connection.ReadUntil("hello "));  // before the end of the stream
    EXPECT_TRUE(exchange->Write("world"));
    exchange->EndStream();
    EXPECT_FALSE(exchange->Write("late"));
  }
  const HttpReply reply = connection.ReadReply();
  EXPECT_EQ(reply.body, "hello world");
  EXPECT_EQ(reply.headers.at("transfer-encoding"), "chunked");
  connection.Send("GET /next HTTP/1.1\r\n\r\n");
  EXPECT_EQ(connection.ReadReply().status, 200);
}

TEST_F(HttpServerTest, OldClientsGetAStreamWithoutChunks) {
  auto held = held_.get_future();
  HttpConnection connection(address());
  connection.Send("GET /hold HTTP/1.0\r\n\r\n");
  const auto exchange = held.get();
  exchange->StartStream("text/plain");
  exchange->Write("plain");
  exchange->EndStream();
  const std::string all = connection.ReadToEnd();
  EXPECT_THAT(all, testing::EndsWith("\r\n\r\nplain"));
  EXPECT_THAT(all, testing::Not(HasSubstr("chunked")));
}

TEST_F(HttpServerTest, HeadHasNoBody) {
  HttpConnection connection(address());
  connection.Send("HEAD /x HTTP/1.1\r\nConnection: close\r\n\r\n");
  const std::string all = connection.ReadToEnd();
  EXPECT_THAT(all, HasSubstr("Content-Length: 11"));
  EXPECT_THAT(all, testing::EndsWith("\r\n\r\n"));
}

TEST_F(HttpServerTest, AnExchangeWithoutAnAnswerIsA500) {
  EXPECT_EQ(Fetch(address(), "GET", "/drop").status, 500);
  EXPECT_EQ(Fetch(address(), "GET", "/throw").status, 500);
}

TEST_F(HttpServerTest, AnAbandonedStreamDoesNotLookComplete) {
  auto held = held_.get_future();
  HttpConnection connection(address());
  connection.Send("GET /hold HTTP/1.1\r\n\r\n");
  auto exchange = held.get();
  exchange->StartStream("text/plain");
  exchange->Write("half");
  ASSERT_TRUE(connection.ReadUntil("half"));
  exchange.reset();
  EXPECT_EQ(connection.ReadReply().status, 0);
}

TEST_F(HttpServerTest, TellsOfADisconnectWhileAnswering) {
  auto held = held_.get_future();
  auto connection = std::make_unique<HttpConnection>(address());
  connection->Send("GET /hold HTTP/1.1\r\n\r\n");
  const auto exchange = held.get();
  std::promise<void> gone;
  exchange->OnDisconnect([&] { gone.set_value(); });
  connection.reset();
  ASSERT_EQ(gone.get_future().wait_for(std::chrono::minutes(1)), std::future_status::ready);
  EXPECT_FALSE(exchange->Respond({}));
  bool again = false;
  exchange->OnDisconnect([&] { again = true; });  // the exchange counts as answered
  EXPECT_FALSE(again);
}

TEST_F(HttpServerTest, NoDisconnectIsToldAfterTheAnswer) {
  auto held = held_.get_future();
  auto connection = std::make_unique<HttpConnection>(address());
  connection->Send("GET /hold HTTP/1.1\r\n\r\n");
  const auto exchange = held.get();
  bool told = false;
  exchange->OnDisconnect([&] { told = true; });
  exchange->Respond({});
  EXPECT_EQ(connection->ReadReply().status, 200);
  connection.reset();
  server_->Stop(std::chrono::milliseconds(0));
  EXPECT_FALSE(told);
}

TEST_F(HttpServerTest, RefusesWhatIsNotHttp) {
  HttpConnection connection(address());
  connection.Send("\x16\x03\x01 hello\r\n\r\n");
  const HttpReply reply = connection.ReadReply();
  EXPECT_EQ(reply.status, 400);
  EXPECT_EQ(reply.headers.at("connection"), "close");
  EXPECT_THAT(reply.body, StartsWith("400: not a valid HTTP request"));
}

TEST_F(HttpServerTest, StopsAndWaitsForTheAnswer) {
  auto held = held_.get_future();
  HttpConnection connection(address());
  connection.Send("GET /hold HTTP/1.1\r\n\r\n");
  const auto exchange = held.get();
  std::thread stopper([&] { server_->Stop(std::chrono::minutes(1)); });
  HttpResponse response;
  response.body = "done";
  exchange->Respond(response);
  EXPECT_EQ(connection.ReadReply().body, "done");
  stopper.join();
  EXPECT_FALSE(exchange->Write("x"));
}

TEST_F(HttpServerTest, PortInUseIsNamed) {
  HttpServerOptions options;
  options.port = std::stoi(address().substr(address().rfind(':') + 1));
  const auto second = HttpServer::Start(options, nullptr, nullptr);
  EXPECT_EQ(second.status().code(), absl::StatusCode::kAlreadyExists);
  EXPECT_THAT(Message(second.status()), HasSubstr(std::to_string(options.port)));
  options.host = "nowhere";
  EXPECT_EQ(HttpServer::Start(options, nullptr, nullptr).status().code(),
            absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace conclave
