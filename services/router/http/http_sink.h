// A generation's events to its HTTP exchange, whole or as server-sent events.
#pragma once

#include <memory>
#include <string>

#include "services/router/http/http_message.h"
#include "services/router/http/render_response.h"
#include "services/router/metrics.h"
#include "services/router/request.h"

namespace conclave {

class HttpSink : public GenerationSink {
 public:
  struct Options {
    std::string endpoint;  // for metrics
    bool stream = false;
    SteadyTime received;
  };
  HttpSink(std::shared_ptr<HttpExchange> exchange, ResponseRenderer renderer,
           RouterMetrics& metrics, Options options);

  void OnStart(const GenerationStart& start) override;
  void OnDelta(const GenerationDelta& delta) override;
  void OnFinish(FinishReason reason, const GenerationUsage& usage) override;
  void OnError(const absl::Status& status) override;

 private:
  void Send(const std::string& json);  // one event
  void Done(int http_status);

  std::shared_ptr<HttpExchange> exchange_;
  ResponseRenderer renderer_;
  RouterMetrics& metrics_;
  const Options options_;
  bool streaming_ = false;  // the head is out: errors can only be events
  GenerationDelta all_;     // without stream
};

}  // namespace conclave
