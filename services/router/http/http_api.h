// The routes of the HTTP front door.
#pragma once

#include <memory>
#include <string>

#include "common/observe/metrics.h"
#include "services/router/http/http_message.h"
#include "services/router/jobs/watch_readiness.h"
#include "services/router/metrics.h"
#include "services/router/model_assets.h"
#include "services/router/pipeline.h"

namespace conclave {

// What the handlers use; everything is thread-safe and outlives the HTTP server.
struct HttpApiDeps {
  const ModelAssets* model = nullptr;
  Pipeline* pipeline = nullptr;
  const ReadinessWatcher* readiness = nullptr;
  RouterMetrics* metrics = nullptr;
  MetricRegistry* registry = nullptr;
  std::chrono::milliseconds request_timeout{120000};
};

// Thread-safe; does not block.
class HttpApi {
 public:
  explicit HttpApi(const HttpApiDeps& deps) : deps_(deps) {}
  void Handle(std::shared_ptr<HttpExchange> exchange);

 private:
  void Generate(std::shared_ptr<HttpExchange> exchange, bool chat, const std::string& endpoint,
                SteadyTime received);
  absl::StatusOr<SteadyTime> DeadlineOf(const HttpRequest& request, SteadyTime received) const;
  HttpResponse Answer(const HttpRequest& request, std::string* endpoint) const;
  HttpResponse Models(const std::string& path) const;
  HttpResponse Ready() const;

  const HttpApiDeps deps_;
};

}  // namespace conclave
