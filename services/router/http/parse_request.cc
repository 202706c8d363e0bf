#include "services/router/http/parse_request.h"

#include "services/router/http/json_reader.h"
#include "services/router/request_error.h"

namespace conclave {
namespace {

using nlohmann::json;

absl::Status Unsupported(const std::string& name, const std::string& allowed) {
  return WithParam(InvalidArgument("'{}' is not supported here; {}", name, allowed), name,
                   "unsupported_parameter");
}

// Known fields that would change the answer and that this server cannot honour: refusing beats
// ignoring.
absl::Status CheckUnsupported(const JsonReader& body) {
  for (const char* name : {"n", "best_of"}) {
    ASSIGN_OR_RETURN(const std::optional<int64_t> n, body.Integer(name));
    if (n.value_or(1) != 1) {
      return WithParam(
          InvalidArgument("'{}' is {}, but only 1 is supported; send several requests instead",
                          name, *n),
          name);
    }
  }
  for (const char* name : {"presence_penalty", "frequency_penalty"}) {
    ASSIGN_OR_RETURN(const std::optional<double> penalty, body.Number(name));
    if (penalty.value_or(0) != 0) return Unsupported(name, "leave it out or send 0");
  }
  for (const char* name : {"tools", "functions", "logit_bias"}) {
    const json* value = body.Find(name);
    if (value != nullptr && !(value->is_structured() && value->empty()))
      return Unsupported(name, "leave it out");
  }
  if (const json* format = body.Find("response_format"); format != nullptr) {
    if (!format->is_object()) return body.WrongType("response_format", "an object");
    ASSIGN_OR_RETURN(const std::optional<std::string> type,
                     JsonReader(*format, "response_format.").String("type"));
    if (type.value_or("text") != "text")
      return Unsupported("response_format", "only {\"type\": \"text\"} is");
  }
  return absl::OkStatus();
}

// What both endpoints share.
absl::Status ReadCommon(const JsonReader& body, ParsedBody* out) {
  RETURN_IF_ERROR(CheckUnsupported(body));
  GenerationRequest& request = out->request;
  ASSIGN_OR_RETURN(std::optional<std::string> model, body.String("model"));
  request.model = std::move(model).value_or("");
  RequestedSampling& sampling = request.sampling;
  ASSIGN_OR_RETURN(sampling.max_tokens, body.Integer("max_tokens"));
  ASSIGN_OR_RETURN(const std::optional<int64_t> max_completion_tokens,
                   body.Integer("max_completion_tokens"));
  if (max_completion_tokens.has_value()) sampling.max_tokens = max_completion_tokens;
  ASSIGN_OR_RETURN(const std::optional<double> temperature, body.Number("temperature"));
  sampling.temperature = temperature.value_or(1);
  ASSIGN_OR_RETURN(const std::optional<double> top_p, body.Number("top_p"));
  sampling.top_p = top_p.value_or(1);
  ASSIGN_OR_RETURN(sampling.seed, body.Unsigned("seed"));
  ASSIGN_OR_RETURN(const std::optional<bool> ignore_eos, body.Bool("ignore_eos"));
  sampling.ignore_eos = ignore_eos.value_or(false);
  ASSIGN_OR_RETURN(request.stop, body.Strings("stop"));

  ASSIGN_OR_RETURN(const std::optional<bool> token_ids, body.Bool("return_token_ids"));
  out->return_token_ids = token_ids.value_or(false);
  ASSIGN_OR_RETURN(const std::optional<bool> stream, body.Bool("stream"));
  out->stream = stream.value_or(false);
  if (const json* options = body.Find("stream_options"); options != nullptr) {
    if (!options->is_object()) return body.WrongType("stream_options", "an object");
    if (!out->stream) {
      return WithParam(InvalidArgument("'stream_options' is only allowed when 'stream' is true"),
                       "stream_options");
    }
    ASSIGN_OR_RETURN(const std::optional<bool> usage,
                     JsonReader(*options, "stream_options.").Bool("include_usage"));
    out->include_usage = usage.value_or(false);
  }
  return absl::OkStatus();
}

// A string, or an array of parts {"type": "text", "text": ...}, joined.
absl::StatusOr<std::string> ReadContent(const JsonReader& message, const std::string& prefix,
                                        const std::string& role) {
  const json* content = message.Find("content");
  if (content == nullptr && role == "assistant")
    return std::string();  // as in a turn of tool calls only
  if (content == nullptr || (!content->is_string() && !content->is_array())) {
    return message.WrongType("content", "a string or an array of text parts");
  }
  if (content->is_string()) return content->get<std::string>();
  std::string text;
  for (size_t i = 0; i < content->size(); ++i) {
    const std::string name = fmt::format("{}content[{}]", prefix, i);
    const json& part = (*content)[i];
    if (!part.is_object())
      return WithParam(
          InvalidArgument("'{}' must be an object, but is {}", name, JsonExcerpt(part)), name);
    const JsonReader reader(part, name + ".");
    ASSIGN_OR_RETURN(const std::optional<std::string> type, reader.String("type"));
    if (type != "text") return reader.WrongType("type", "\"text\"; this model reads text only");
    ASSIGN_OR_RETURN(const std::optional<std::string> piece, reader.String("text"));
    if (!piece.has_value()) return reader.WrongType("text", "a string");
    text += *piece;
  }
  return text;
}

absl::StatusOr<std::vector<ChatMessage>> ReadMessages(const JsonReader& body) {
  const json* messages = body.Find("messages");
  if (messages == nullptr || !messages->is_array())
    return body.WrongType("messages", "an array of messages");
  std::vector<ChatMessage> out;
  for (size_t i = 0; i < messages->size(); ++i) {
    const std::string name = fmt::format("messages[{}]", i);
    const json& message = (*messages)[i];
    if (!message.is_object())
      return WithParam(
          InvalidArgument("'{}' must be an object, but is {}", name, JsonExcerpt(message)), name);
    const JsonReader reader(message, name + ".");
    ASSIGN_OR_RETURN(std::optional<std::string> role, reader.String("role"));
    if (!role.has_value()) return reader.WrongType("role", "a string");
    if (*role == "developer") role = "system";  // the API's newer name for it
    ASSIGN_OR_RETURN(std::string content, ReadContent(reader, name + ".", *role));
    out.push_back({*std::move(role), std::move(content)});
  }
  return out;
}

// A string, an array of one string, or an array of token ids.
absl::Status ReadPrompt(const JsonReader& body, GenerationRequest* request) {
  const std::string wanted = "a string, an array of one string, or an array of token ids";
  const json* prompt = body.Find("prompt");
  if (prompt == nullptr) return body.WrongType("prompt", wanted);
  if (prompt->is_string()) {
    request->input = prompt->get<std::string>();
    return absl::OkStatus();
  }
  if (!prompt->is_array()) return body.WrongType("prompt", wanted);
  if (prompt->size() == 1 && prompt->front().is_string()) {
    request->input = prompt->front().get<std::string>();
    return absl::OkStatus();
  }
  std::vector<int32_t> ids;
  for (size_t i = 0; i < prompt->size(); ++i) {
    const json& id = (*prompt)[i];
    if (id.is_string()) {
      return WithParam(InvalidArgument("'prompt' has {} elements; of strings only one is "
                                       "supported, send several requests instead",
                                       prompt->size()),
                       "prompt");
    }
    if (!id.is_number_unsigned() || id.get<uint64_t>() > uint64_t{INT32_MAX}) {
      return WithParam(
          InvalidArgument("'prompt[{}]' must be a token id, but is {}", i, JsonExcerpt(id)),
          "prompt");
    }
    ids.push_back(id.get<int32_t>());
  }
  request->input = std::move(ids);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<ParsedBody> ParseChatBody(const std::string& text) {
  ASSIGN_OR_RETURN(const json object, ParseJsonObject(text));
  const JsonReader body(object);
  ParsedBody out;
  RETURN_IF_ERROR(ReadCommon(body, &out));
  ASSIGN_OR_RETURN(out.request.input, ReadMessages(body));
  ASSIGN_OR_RETURN(const std::optional<bool> logprobs, body.Bool("logprobs"));
  out.logprobs = logprobs.value_or(false);
  ASSIGN_OR_RETURN(const std::optional<int64_t> top, body.Integer("top_logprobs"));
  if (top.has_value() && !out.logprobs) {
    return WithParam(InvalidArgument("'top_logprobs' is only allowed when 'logprobs' is true"),
                     "top_logprobs");
  }
  out.request.sampling.top_logprobs = top.value_or(0);
  return out;
}

absl::StatusOr<ParsedBody> ParseCompletionBody(const std::string& text) {
  ASSIGN_OR_RETURN(const json object, ParseJsonObject(text));
  const JsonReader body(object);
  ParsedBody out;
  RETURN_IF_ERROR(ReadCommon(body, &out));
  RETURN_IF_ERROR(ReadPrompt(body, &out.request));
  ASSIGN_OR_RETURN(const std::optional<bool> echo, body.Bool("echo"));
  if (echo.value_or(false)) return Unsupported("echo", "leave it out or send false");
  ASSIGN_OR_RETURN(const std::optional<std::string> suffix, body.String("suffix"));
  if (!suffix.value_or("").empty()) return Unsupported("suffix", "leave it out");
  ASSIGN_OR_RETURN(const std::optional<int64_t> logprobs, body.Integer("logprobs"));
  if (logprobs.value_or(0) < 0 || logprobs.value_or(0) > kMaxTopLogprobs) {
    return WithParam(InvalidArgument("'logprobs' is {}, but must be between 0 and {}", *logprobs,
                                     kMaxTopLogprobs),
                     "logprobs");
  }
  out.logprobs = logprobs.has_value();
  out.request.sampling.top_logprobs = logprobs.value_or(0);
  return out;
}

}  // namespace conclave
