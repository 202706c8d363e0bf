#include "common/cluster/etcd/etcd_client.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/support/channel_arguments.h>

#include <algorithm>
#include <utility>

namespace conclave {
namespace {

constexpr int kMaxMessageBytes = 64 << 20;

grpc::ChannelArguments Arguments() {
  grpc::ChannelArguments args;
  // A frozen etcd ends our streams after about eight seconds. More often, or without streams, etcd
  // would answer pings with GOAWAY too_many_pings (its --grpc-keepalive-min-time is 5 s).
  args.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 6000);
  args.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 2000);
  args.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  args.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
  args.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 1000);
  args.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 1000);
  args.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  args.SetMaxReceiveMessageSize(kMaxMessageBytes);
  return args;
}

absl::StatusOr<std::string> ParseEndpoint(std::string text) {
  const std::string scheme = "http://";
  if (text.rfind(scheme, 0) == 0) text = text.substr(scheme.size());
  while (!text.empty() && text.back() == '/') text.pop_back();
  const size_t colon = text.rfind(':');
  if (text.find("://") != std::string::npos || colon == std::string::npos || colon == 0 ||
      colon + 1 == text.size() ||
      text.find_first_not_of("0123456789", colon + 1) != std::string::npos) {
    return InvalidArgument("etcd endpoint '{}' is not of the form host:port", text);
  }
  return text;
}

absl::Status ToStatus(const char* name, const std::string& address, const grpc::Status& status) {
  const std::string& detail = status.error_message();
  switch (status.error_code()) {
    case grpc::StatusCode::OK:
      return absl::OkStatus();
    case grpc::StatusCode::DEADLINE_EXCEEDED:
      return DeadlineExceeded("etcd at {}: {} was not answered in time", address, name);
    case grpc::StatusCode::UNAVAILABLE:
      return Unavailable("etcd at {}: {} failed, it cannot be reached ({}): is it running there?",
                         address, name, detail);
    default:
      return MakeStatus(static_cast<absl::StatusCode>(status.error_code()), "etcd at {}: {}: {}",
                        address, name, detail);
  }
}

}  // namespace

std::string PrefixEnd(const std::string& prefix) {
  std::string end = prefix;
  while (!end.empty() && static_cast<unsigned char>(end.back()) == 0xff) end.pop_back();
  if (end.empty()) return std::string(1, '\0');
  end.back() = static_cast<char>(static_cast<unsigned char>(end.back()) + 1);
  return end;
}

std::chrono::system_clock::time_point GrpcDeadline(SteadyTime deadline) {
  return std::chrono::system_clock::now() +
         std::chrono::duration_cast<std::chrono::system_clock::duration>(deadline - Now());
}

absl::StatusOr<std::shared_ptr<EtcdClient>> EtcdClient::Make(const std::string& endpoints) {
  std::shared_ptr<EtcdClient> client(new EtcdClient);
  for (size_t begin = 0; begin <= endpoints.size();) {
    const size_t end = std::min(endpoints.find(',', begin), endpoints.size());
    ASSIGN_OR_RETURN(const std::string address,
                     ParseEndpoint(endpoints.substr(begin, end - begin)));
    auto channel =
        grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), Arguments());
    auto endpoint = std::make_unique<Endpoint>();
    endpoint->address = address;
    endpoint->kv = etcdserverpb::KV::NewStub(channel);
    endpoint->lease = etcdserverpb::Lease::NewStub(channel);
    endpoint->watch = etcdserverpb::Watch::NewStub(channel);
    client->endpoints_.push_back(std::move(endpoint));
    begin = end + 1;
  }
  return client;
}

absl::Status EtcdClient::Call(const char* name, SteadyTime deadline, bool repeat,
                              Interrupt* interrupt, const CallFn& call) {
  absl::Status status;
  for (size_t attempt = 0; attempt < (repeat ? endpoints_.size() : 1); ++attempt) {
    if (Now() >= deadline && attempt == 0) {
      return DeadlineExceeded("etcd at {}: the deadline passed before {} began", addresses(), name);
    }
    Endpoint& endpoint = current();
    grpc::ClientContext context;
    context.set_deadline(GrpcDeadline(deadline));
    if (interrupt != nullptr) interrupt->Begin(&context);
    const grpc::Status result = call(endpoint, &context);
    if (interrupt != nullptr) interrupt->End();
    status = ToStatus(name, endpoint.address, result);
    const bool unreachable = absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status);
    if (unreachable) Rotate(endpoint);
    if (!absl::IsUnavailable(status)) break;
  }
  return status;
}

absl::Status EtcdClient::Range(const std::string& prefix, SteadyTime deadline, Interrupt* interrupt,
                               etcdserverpb::RangeResponse* response) {
  etcdserverpb::RangeRequest request;
  request.set_key(prefix.empty() ? std::string(1, '\0') : prefix);
  request.set_range_end(PrefixEnd(prefix));
  return Call("Range", deadline, true, interrupt,
              [&](Endpoint& endpoint, grpc::ClientContext* context) {
                return endpoint.kv->Range(context, request, response);
              });
}

void EtcdClient::Rotate(const Endpoint& failed) {
  size_t index = current_.load();
  if (endpoints_[index % endpoints_.size()].get() == &failed)
    current_.compare_exchange_strong(index, index + 1);
}

std::string EtcdClient::addresses() const {
  std::string text;
  for (const auto& endpoint : endpoints_) text += (text.empty() ? "" : ",") + endpoint->address;
  return text;
}

}  // namespace conclave
