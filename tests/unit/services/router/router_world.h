// A router with real doors, in front of a fake decode worker that plays a script over real gRPC.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/base/mutex.h"
#include "common/client/cluster/cluster_client.h"
#include "common/client/decode/decode_client.h"
#include "common/cluster/memory_store.h"
#include "common/rpc/channel.h"
#include "common/rpc/server.h"
#include "services/router/server.h"

namespace conclave {

// What the fake worker does with every call.
struct DecodeScript {
  std::vector<std::vector<int32_t>> messages;  // token ids, one message each
  FinishReason finish = FinishReason::kStop;   // with the last message
  bool hang = false;                           // after the messages: until the call is cancelled
  absl::Status error;                          // not OK: after the messages, instead of the finish
};

// `text` as tokens, `per_message` in each message, an end-of-sequence token after them.
DecodeScript Say(const std::string& text, size_t per_message = 1);

class RouterWorld {
 public:
  // One decode worker "decode-0" and one prefill worker "prefill-0" unless `with_workers` is false.
  explicit RouterWorld(RouterConfig config = {}, bool with_workers = true);
  ~RouterWorld();

  RouterServer& router() { return *router_; }
  const std::string& http() { return router_->http_address(); }
  const std::string& grpc() { return router_->grpc_address(); }
  void SetScript(DecodeScript script);
  // The last request that the worker got, waiting for the first.
  DecodeSpec LastRequest();
  // True when `count` calls were cancelled in total; waits for it.
  bool WaitCancelled(int count);
  // The value of a metric line, "name{labels}", 0 when absent.
  double Metric(const std::string& line);
  // Waits until the metric has this value.
  bool WaitMetric(const std::string& line, double value);

 private:
  class Worker;

  std::unique_ptr<MemoryStore> store_;
  InProcessNetwork network_;
  std::unique_ptr<ChannelProvider> channels_;
  std::unique_ptr<Worker> worker_;
  std::unique_ptr<RpcServer> worker_server_;
  std::unique_ptr<ClusterClient> decode_member_, prefill_member_;
  std::unique_ptr<RouterServer> router_;
};

}  // namespace conclave
