#include "services/router/http/http_api.h"

#include <charconv>
#include <nlohmann/json.hpp>

#include "services/router/http/error_body.h"
#include "services/router/http/http_sink.h"
#include "services/router/http/parse_request.h"
#include "services/router/http/status_page.h"
#include "services/router/request_error.h"

namespace conclave {
namespace {

using json = nlohmann::ordered_json;

constexpr char kChat[] = "/v1/chat/completions";
constexpr char kCompletions[] = "/v1/completions";
constexpr char kModels[] = "/v1/models";

HttpResponse JsonResponse(int status, const json& body) {
  HttpResponse response;
  response.status = status;
  response.body = body.dump(-1, ' ', false, json::error_handler_t::replace);
  return response;
}

HttpResponse MethodNotAllowed(const HttpRequest& request, const std::string& allowed) {
  HttpResponse response;
  response.status = 405;
  response.headers = {{"Allow", allowed}};
  response.body = ErrorJson(
      405, fmt::format("{} is not allowed on {}; use {}", request.method, request.path, allowed));
  return response;
}

json MemberJson(const MemberInfo& member) {
  return {{"id", member.id},
          {"role", RoleName(member.role)},
          {"grpc", member.grpc_address},
          {"http", member.http_address},
          {"pid", member.pid},
          {"kv_pages", member.kv_pages},
          {"started_us", member.started_us},
          {"fingerprint", fmt::format("{:016x}", member.fingerprint)}};
}

}  // namespace

void HttpApi::Handle(std::shared_ptr<HttpExchange> exchange) {
  const SteadyTime received = Now();
  const HttpRequest& request = exchange->request();
  const bool chat = request.path == kChat;
  if ((chat || request.path == kCompletions) && request.method == "POST") {
    const char* endpoint = chat ? kChat : kCompletions;
    return Generate(std::move(exchange), chat, endpoint, received);
  }
  std::string endpoint = request.path;
  HttpResponse response = Answer(request, &endpoint);
  deps_.metrics->RequestDone(endpoint, std::to_string(response.status), SecondsSince(received));
  exchange->Respond(std::move(response));
}

HttpResponse HttpApi::Answer(const HttpRequest& request, std::string* endpoint) const {
  const std::string& path = request.path;
  if (path == kChat || path == kCompletions) return MethodNotAllowed(request, "POST");
  const bool model = path.starts_with(std::string(kModels) + "/");
  if (model) *endpoint = kModels;
  if (!model && path != kModels && path != "/" && path != "/health" && path != "/ready" &&
      path != "/metrics") {
    *endpoint = "other";
    return ErrorResponse(
        NotFound("there is no {}; the API is {}, {}, {}, /health, /ready, /metrics",
                 path.substr(0, 200), kChat, kCompletions, kModels));
  }
  if (request.method != "GET" && request.method != "HEAD") return MethodNotAllowed(request, "GET");
  if (path == "/health") return JsonResponse(200, {{"status", "ok"}});
  if (path == "/ready") return Ready();
  HttpResponse response;
  if (path == "/metrics") {
    response.content_type = "text/plain; version=0.0.4; charset=utf-8";
    response.body = deps_.registry->Text();
    return response;
  }
  if (path == "/") {
    response.content_type = "text/html; charset=utf-8";
    response.body = std::string(StatusPageHtml());
    return response;
  }
  return Models(path);
}

HttpResponse HttpApi::Models(const std::string& path) const {
  const ModelAssets& model = *deps_.model;
  const json object = {{"id", model.id},
                       {"object", "model"},
                       {"created", model.created_s},
                       {"owned_by", "conclave"},
                       {"context_length", model.context_length()}};
  if (path == kModels)
    return JsonResponse(200, {{"object", "list"}, {"data", json::array({object})}});
  const std::string id = path.substr(std::string(kModels).size() + 1);
  if (id == model.id) return JsonResponse(200, object);
  return ErrorResponse(
      WithParam(NotFound("the model '{}' does not exist here; this cluster serves '{}'",
                         id.substr(0, 200), model.id),
                "model", "model_not_found"));
}

HttpResponse HttpApi::Ready() const {
  const std::vector<std::string> missing = deps_.readiness->Missing();
  const ServingView view = deps_.readiness->View();
  json members = json::array();
  for (const auto* role : {&view.routers, &view.prefill, &view.decode, &view.expert_hosts}) {
    for (const MemberInfo& member : *role) members.push_back(MemberJson(member));
  }
  return JsonResponse(missing.empty() ? 200 : 503,
                      {{"ready", missing.empty()},
                       {"missing", missing},
                       {"model", deps_.model->id},
                       {"context_length", deps_.model->context_length()},
                       {"placement_epoch", view.placement ? view.placement->epoch : 0},
                       {"members", std::move(members)}});
}

absl::StatusOr<SteadyTime> HttpApi::DeadlineOf(const HttpRequest& request,
                                               SteadyTime received) const {
  const std::string_view header = request.Header("x-request-timeout-ms");
  if (header.empty()) return received + deps_.request_timeout;
  int64_t ms = 0;
  const auto [end, error] = std::from_chars(header.data(), header.data() + header.size(), ms);
  if (error != std::errc() || end != header.data() + header.size() || ms < 1) {
    return WithParam(InvalidArgument("the header X-Request-Timeout-Ms is '{}', but must be a "
                                     "number of milliseconds, at least 1",
                                     header.substr(0, 40)),
                     "X-Request-Timeout-Ms");
  }
  return received + std::min(std::chrono::milliseconds(ms), deps_.request_timeout);
}

void HttpApi::Generate(std::shared_ptr<HttpExchange> exchange, bool chat,
                       const std::string& endpoint, SteadyTime received) {
  const HttpRequest& request = exchange->request();
  absl::StatusOr<ParsedBody> body =
      chat ? ParseChatBody(request.body) : ParseCompletionBody(request.body);
  const absl::StatusOr<SteadyTime> deadline = DeadlineOf(request, received);
  const absl::Status status = body.ok() ? deadline.status() : body.status();
  if (!status.ok()) {
    deps_.metrics->RequestDone(endpoint, std::to_string(HttpStatusOf(status)),
                               SecondsSince(received));
    exchange->Respond(ErrorResponse(status));
    return;
  }
  body->request.deadline = *deadline;
  body->request.received = received;
  ResponseRenderer renderer(*deps_.model->tokenizer,
                            {chat, body->logprobs, body->include_usage, body->return_token_ids});
  auto sink = std::make_shared<HttpSink>(exchange, std::move(renderer), *deps_.metrics,
                                         HttpSink::Options{endpoint, body->stream, received});
  const std::shared_ptr<GenerationHandle> generation =
      deps_.pipeline->Start(std::move(body->request), std::move(sink));
  exchange->OnDisconnect([generation, metrics = deps_.metrics] {
    metrics->disconnects.Add();
    generation->Cancel();
  });
}

}  // namespace conclave
