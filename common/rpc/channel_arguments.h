// The numbers that clients and servers must agree on; included by this folder's .cc files only.
#pragma once

#include <grpcpp/support/channel_arguments.h>

namespace conclave {

// Clients ping after a second of silence and give a peer one more second to answer: a cut or frozen
// connection is noticed in about two. Servers must allow pings at that rate or they answer with
// GOAWAY too_many_pings.
inline constexpr int kKeepaliveTimeMs = 1000;
inline constexpr int kKeepaliveTimeoutMs = 1000;
inline constexpr int kShortestPingIntervalMs = 300;
inline constexpr int kMaxMessageBytes = 64 << 20;

grpc::ChannelArguments ClientArguments();
// Without keepalive: such a channel cannot reconnect, and both ends freeze and thaw together.
grpc::ChannelArguments InProcessArguments();

}  // namespace conclave
