// A client that leaves takes its work with it; one that does not read is thrown out.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/services/router/http_client.h"
#include "tests/unit/services/router/router_world.h"

namespace conclave {
namespace {

std::string Request(const std::string& fields) {
  const std::string body = R"({"messages": [{"role": "user", "content": "hello"}])" + fields + "}";
  return "POST /v1/chat/completions HTTP/1.1\r\nContent-Length: " + std::to_string(body.size()) +
         "\r\n\r\n" + body;
}

TEST(HttpDisconnect, InTheMiddleOfAStream) {
  RouterWorld world;
  DecodeScript script = Say("hello there", 100);
  script.hang = true;
  world.SetScript(script);
  {
    HttpConnection connection(world.http());
    connection.Send(Request(R"(, "stream": true)"));
    ASSERT_TRUE(connection.ReadUntil("hello"));
  }
  EXPECT_TRUE(world.WaitCancelled(1));
  EXPECT_TRUE(world.WaitMetric("conclave_router_disconnects_total", 1));
  EXPECT_TRUE(world.WaitMetric("conclave_router_in_flight", 0));
  EXPECT_TRUE(world.WaitMetric(
      R"(conclave_router_requests_total{code="499",endpoint="/v1/chat/completions"})", 1));
}

TEST(HttpDisconnect, BeforeTheFirstToken) {
  RouterWorld world;
  DecodeScript script;
  script.hang = true;
  world.SetScript(script);
  {
    HttpConnection connection(world.http());
    connection.Send(Request(""));
    world.LastRequest();
  }
  EXPECT_TRUE(world.WaitCancelled(1));
  EXPECT_TRUE(world.WaitMetric("conclave_router_disconnects_total", 1));
  EXPECT_TRUE(world.WaitMetric("conclave_router_in_flight", 0));
}

TEST(HttpDisconnect, StoppingTheRouterEndsStreamsWithAnError) {
  auto world = std::make_unique<RouterWorld>();
  DecodeScript script = Say("hello there", 100);
  script.hang = true;
  world->SetScript(script);
  HttpConnection connection(world->http());
  connection.Send(Request(R"(, "stream": true)"));
  ASSERT_TRUE(connection.ReadUntil("hello"));
  world->router().Stop();
  EXPECT_THAT(connection.ReadToEnd(), testing::HasSubstr("shutting down"));
}

}  // namespace
}  // namespace conclave
