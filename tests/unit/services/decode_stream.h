// One call of Decode.Generate, as a test reads it.
#pragma once

#include <grpcpp/client_context.h>

#include <memory>
#include <vector>

#include "common/base/status.h"
#include "common/rpc/status_convert.h"
#include "proto/conclave/v1/decode.grpc.pb.h"

namespace conclave {

struct Generated {
  std::vector<int32_t> ids;
  std::vector<float> logprobs;
  v1::FinishReason finish = v1::FINISH_REASON_UNSPECIFIED;
  absl::Status status;
  bool operator==(const Generated& other) const {
    return ids == other.ids && logprobs == other.logprobs && finish == other.finish &&
           status == other.status;
  }
};

// One stream, read by hand.
struct DecodeStream {
  std::unique_ptr<v1::Decode::Stub> stub;
  grpc::ClientContext context;
  std::unique_ptr<grpc::ClientReader<v1::DecodeResponse>> reader;
  Generated result;

  bool ReadToken() {
    v1::DecodeResponse response;
    if (!reader->Read(&response)) return false;
    for (const v1::Token& token : response.tokens()) {
      result.ids.push_back(token.id());
      result.logprobs.push_back(token.logprob());
    }
    result.finish = response.finish();
    return true;
  }
  Generated ReadAll() {
    while (ReadToken()) {
    }
    result.status = FromGrpc(reader->Finish());
    return result;
  }
};
}  // namespace conclave
