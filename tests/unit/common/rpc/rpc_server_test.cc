#include <gmock/gmock.h>
#include <grpcpp/client_context.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include "common/base/clock.h"
#include "common/rpc/envelope.h"
#include "common/rpc/server.h"
#include "common/rpc/status_convert.h"

namespace conclave {
namespace {

using testing::HasSubstr;

std::string Bytes(grpc::ByteBuffer& buffer) {
  std::vector<grpc::Slice> slices;
  std::string bytes;
  if (!buffer.Dump(&slices).ok()) return bytes;
  for (const grpc::Slice& slice : slices)
    bytes.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  return bytes;
}

// One unary call with raw bytes: this module knows no messages.
grpc::Status Call(const std::shared_ptr<grpc::Channel>& channel, const std::string& method,
                  std::string* answer) {
  grpc::GenericStub stub(channel);
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
  grpc::CompletionQueue queue;
  grpc::ByteBuffer request(nullptr, 0), response;
  const auto call = stub.PrepareUnaryCall(&context, method, request, &queue);
  call->StartCall();
  grpc::Status status;
  call->Finish(&response, &status, nullptr);
  void* tag = nullptr;
  bool ok = false;
  queue.Next(&tag, &ok);
  if (status.ok() && answer != nullptr) *answer = Bytes(response);
  return status;
}

// The serving status of the whole server: field 1 of HealthCheckResponse, 1 = SERVING, 2 =
// NOT_SERVING.
int Health(const std::shared_ptr<grpc::Channel>& channel) {
  std::string answer;
  const grpc::Status status = Call(channel, "/grpc.health.v1.Health/Check", &answer);
  if (!status.ok() || answer.size() != 2) return -status.error_code();
  return answer[1];
}

TEST(RpcServer, ServesHealthOnAFreePort) {
  const auto server = RpcServer::Start({}, {});
  ASSERT_TRUE(server.ok()) << server.status();
  EXPECT_THAT((*server)->address(), testing::MatchesRegex("127\\.0\\.0\\.1:[1-9][0-9]*"));
  const auto channels = MakeNetworkChannels();
  const auto channel = channels->Get((*server)->address());
  EXPECT_EQ(channel, channels->Get((*server)->address()));
  EXPECT_EQ(Health(channel), 2);
  (*server)->SetServing(true);
  EXPECT_EQ(Health(channel), 1);
  (*server)->SetServing(false);
  EXPECT_EQ(Health(channel), 2);
  const grpc::Status unknown = Call(channel, "/no.such.Service/Method", nullptr);
  EXPECT_EQ(unknown.error_code(), grpc::StatusCode::UNIMPLEMENTED);
}

TEST(RpcServer, PortInUseIsAlreadyExists) {
  const auto first = RpcServer::Start({}, {});
  ASSERT_TRUE(first.ok()) << first.status();
  const std::string address = (*first)->address();
  RpcServerOptions options;
  options.port = std::stoi(address.substr(address.rfind(':') + 1));
  const auto second = RpcServer::Start(options, {});
  EXPECT_TRUE(absl::IsAlreadyExists(second.status())) << second.status();
  EXPECT_THAT(Message(second.status()), HasSubstr(address));
}

TEST(RpcServer, ForeignAddressIsUnavailable) {
  RpcServerOptions options;
  options.host = "192.0.2.1";  // reserved for documentation: no machine has it
  const auto server = RpcServer::Start(options, {});
  EXPECT_TRUE(absl::IsUnavailable(server.status())) << server.status();
  options.host = "not a host";
  EXPECT_TRUE(absl::IsInvalidArgument(RpcServer::Start(options, {}).status()));
}

TEST(RpcServer, ChannelFindsARestartedServer) {
  auto server = RpcServer::Start({}, {});
  ASSERT_TRUE(server.ok()) << server.status();
  const std::string address = (*server)->address();
  const auto channels = MakeNetworkChannels();
  EXPECT_EQ(Health(channels->Get(address)), 2);
  server->reset();
  EXPECT_EQ(Health(channels->Get(address)), -grpc::StatusCode::UNAVAILABLE);
  RpcServerOptions options;
  options.port = std::stoi(address.substr(address.rfind(':') + 1));
  server = RpcServer::Start(options, {});
  ASSERT_TRUE(server.ok()) << server.status();
  int health = 0;
  for (const SteadyTime deadline = After(std::chrono::seconds(20));
       health != 2 && Now() < deadline;) {
    health = Health(channels->Get(address));
  }
  EXPECT_EQ(health, 2);
}

TEST(RpcServer, InProcessServersAreFoundByName) {
  InProcessNetwork network;
  const auto channels = network.Channels();
  EXPECT_EQ(Health(channels->Get("decode")), -grpc::StatusCode::UNAVAILABLE);
  RpcServerOptions options;
  options.in_process = &network;
  options.name = "decode";
  auto server = RpcServer::Start(options, {});
  ASSERT_TRUE(server.ok()) << server.status();
  EXPECT_EQ((*server)->address(), "decode");
  EXPECT_EQ(Health(channels->Get("decode")), 2);
  EXPECT_TRUE(absl::IsAlreadyExists(RpcServer::Start(options, {}).status()));
  EXPECT_EQ(Health(channels->Get("decode")), 2);  // the refused one took nothing away
  const auto held = channels->Get("decode");
  server->reset();
  EXPECT_EQ(Health(channels->Get("decode")), -grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(Health(held), -grpc::StatusCode::UNAVAILABLE);
  EXPECT_TRUE(RpcServer::Start(options, {}).ok());
}

TEST(StatusConvert, KeepsCodeAndMessage) {
  EXPECT_TRUE(ToGrpc(absl::OkStatus()).ok());
  EXPECT_TRUE(FromGrpc(grpc::Status::OK).ok());
  for (int code = 1; code <= 16; ++code) {
    const absl::Status status = MakeStatus(static_cast<absl::StatusCode>(code), "message {}", code);
    EXPECT_EQ(ToGrpc(status).error_code(), code);
    EXPECT_EQ(FromGrpc(ToGrpc(status)), status);
  }
}

TEST(CallScope, CountsByMethodAndCode) {
  MetricRegistry registry;
  RpcMetrics metrics(registry);
  {
    CallScope scope(metrics, "Decode/Generate");
    EXPECT_THAT(registry.Text(), HasSubstr("conclave_rpc_in_flight{method=\"Decode/Generate\"} 1"));
    EXPECT_TRUE(scope.Finish(absl::OkStatus()).ok());
  }
  { CallScope abandoned(metrics, "Decode/Generate"); }
  const std::string text = registry.Text();
  EXPECT_THAT(text, HasSubstr("conclave_rpc_in_flight{method=\"Decode/Generate\"} 0"));
  EXPECT_THAT(text,
              HasSubstr("conclave_rpc_calls_total{code=\"OK\",method=\"Decode/Generate\"} 1"));
  EXPECT_THAT(
      text, HasSubstr("conclave_rpc_calls_total{code=\"CANCELLED\",method=\"Decode/Generate\"} 1"));
  EXPECT_THAT(text, HasSubstr("conclave_rpc_seconds_count{method=\"Decode/Generate\"} 2"));
}

}  // namespace
}  // namespace conclave
