#include "services/router/http/http_sink.h"

#include "services/router/http/error_body.h"
#include "services/router/request_error.h"

namespace conclave {

HttpSink::HttpSink(std::shared_ptr<HttpExchange> exchange, ResponseRenderer renderer,
                   RouterMetrics& metrics, Options options)
    : exchange_(std::move(exchange)),
      renderer_(std::move(renderer)),
      metrics_(metrics),
      options_(std::move(options)) {}

void HttpSink::OnStart(const GenerationStart& start) {
  renderer_.SetStart(start);
  if (!options_.stream) return;
  streaming_ = true;
  exchange_->StartStream("text/event-stream; charset=utf-8");
  Send(renderer_.FirstChunk());
}

void HttpSink::OnDelta(const GenerationDelta& delta) {
  if (streaming_) {
    if (const std::optional<std::string> chunk = renderer_.DeltaChunk(delta)) Send(*chunk);
    return;
  }
  all_.content += delta.content;
  all_.reasoning += delta.reasoning;
  all_.tokens.insert(all_.tokens.end(), delta.tokens.begin(), delta.tokens.end());
}

void HttpSink::OnFinish(FinishReason reason, const GenerationUsage& usage) {
  if (streaming_) {
    Send(renderer_.FinishChunk(reason));
    if (const std::optional<std::string> chunk = renderer_.UsageChunk(usage)) Send(*chunk);
    Send("[DONE]");
    exchange_->EndStream();
  } else {
    HttpResponse response;
    response.body = renderer_.Whole(all_, reason, usage);
    exchange_->Respond(std::move(response));
  }
  Done(200);
}

void HttpSink::OnError(const absl::Status& status) {
  if (streaming_) {
    Send(ErrorJson(status));
    exchange_->EndStream();
  } else {
    exchange_->Respond(ErrorResponse(status));
  }
  Done(HttpStatusOf(status));
}

void HttpSink::Send(const std::string& json) { exchange_->Write("data: " + json + "\n\n"); }

void HttpSink::Done(int http_status) {
  metrics_.RequestDone(options_.endpoint, std::to_string(http_status),
                       SecondsSince(options_.received));
}

}  // namespace conclave
