#include "services/router/http/render_response.h"

#include <algorithm>

namespace conclave {
namespace {

using json = nlohmann::ordered_json;

constexpr double kLeastLogprob = -9999;  // stands for minus infinity, which JSON cannot say

const char* FinishText(FinishReason reason) {
  return reason == FinishReason::kStop ? "stop" : "length";
}

std::string Dump(const json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

double Logprob(float value) { return std::max(static_cast<double>(value), kLeastLogprob); }

json Usage(const GenerationUsage& usage) {
  return {{"prompt_tokens", usage.prompt_tokens},
          {"completion_tokens", usage.completion_tokens},
          {"total_tokens", usage.prompt_tokens + usage.completion_tokens},
          {"completion_tokens_details", {{"reasoning_tokens", usage.reasoning_tokens}}}};
}

json TokenIds(const std::vector<GeneratedToken>& tokens) {
  json ids = json::array();
  for (const GeneratedToken& token : tokens) ids.push_back(token.id);
  return ids;
}

size_t Characters(std::string_view utf8) {
  return static_cast<size_t>(
      std::count_if(utf8.begin(), utf8.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

}  // namespace

json ResponseRenderer::Head(bool chunk) const {
  const char* object =
      options_.chat ? (chunk ? "chat.completion.chunk" : "chat.completion") : "text_completion";
  return {{"id", start_.id},
          {"object", object},
          {"created", start_.created_s},
          {"model", start_.model},
          {"system_fingerprint", start_.fingerprint},
          {"seed", start_.seed}};
}

std::string ResponseRenderer::Chunk(json choice) {
  json chunk = Head(true);
  json whole = {{"index", 0}};
  for (const char* key : {"delta", "text", "token_ids"}) {
    if (choice.contains(key)) whole[key] = std::move(choice[key]);
  }
  for (const char* key : {"logprobs", "finish_reason"}) {
    whole[key] = choice.contains(key) ? std::move(choice[key]) : json(nullptr);
  }
  chunk["choices"] = json::array({std::move(whole)});
  if (options_.include_usage) chunk["usage"] = nullptr;
  return Dump(chunk);
}

std::string ResponseRenderer::FirstChunk() {
  return options_.chat ? Chunk({{"delta", {{"role", "assistant"}, {"content", ""}}}})
                       : Chunk({{"text", ""}});
}

std::optional<std::string> ResponseRenderer::DeltaChunk(const GenerationDelta& delta) {
  const bool tokens = options_.logprobs && !delta.tokens.empty();
  const bool ids = options_.token_ids && !delta.tokens.empty();
  if (delta.content.empty() && delta.reasoning.empty() && !tokens && !ids) return std::nullopt;
  json choice;
  if (ids) choice["token_ids"] = TokenIds(delta.tokens);
  if (options_.chat) {
    choice["delta"] = json::object();
    if (!delta.reasoning.empty()) choice["delta"]["reasoning_content"] = delta.reasoning;
    if (!delta.content.empty()) choice["delta"]["content"] = delta.content;
    if (tokens) choice["logprobs"] = ChatLogprobs(delta.tokens);
  } else {
    choice["text"] = delta.content;
    if (tokens) choice["logprobs"] = TextLogprobs(delta.tokens);
  }
  return Chunk(std::move(choice));
}

std::string ResponseRenderer::FinishChunk(FinishReason reason) {
  json choice = {{"finish_reason", FinishText(reason)}};
  if (options_.chat) {
    choice["delta"] = json::object();
  } else {
    choice["text"] = "";
  }
  return Chunk(std::move(choice));
}

std::optional<std::string> ResponseRenderer::UsageChunk(const GenerationUsage& usage) {
  if (!options_.include_usage) return std::nullopt;
  json chunk = Head(true);
  chunk["choices"] = json::array();
  chunk["usage"] = Usage(usage);
  return Dump(chunk);
}

std::string ResponseRenderer::Whole(const GenerationDelta& all, FinishReason reason,
                                    const GenerationUsage& usage) {
  json choice = {{"index", 0}};
  if (options_.chat) {
    choice["message"] = {{"role", "assistant"}, {"content", all.content}};
    if (!all.reasoning.empty()) choice["message"]["reasoning_content"] = all.reasoning;
    if (options_.logprobs) choice["logprobs"] = ChatLogprobs(all.tokens);
  } else {
    choice["text"] = all.content;
    if (options_.logprobs) choice["logprobs"] = TextLogprobs(all.tokens);
  }
  if (options_.token_ids) choice["token_ids"] = TokenIds(all.tokens);
  if (!options_.logprobs) choice["logprobs"] = nullptr;
  choice["finish_reason"] = FinishText(reason);
  json whole = Head(false);
  whole["choices"] = json::array({std::move(choice)});
  whole["usage"] = Usage(usage);
  return Dump(whole);
}

json ResponseRenderer::ChatLogprobs(const std::vector<GeneratedToken>& tokens) const {
  const auto entry = [this](int32_t id, float logprob) {
    const std::string_view bytes = tokenizer_.TokenBytes(id);
    json list = json::array();
    for (const char byte : bytes)
      list.push_back(static_cast<int>(static_cast<unsigned char>(byte)));
    return json{
        {"token", std::string(bytes)}, {"logprob", Logprob(logprob)}, {"bytes", std::move(list)}};
  };
  json content = json::array();
  for (const GeneratedToken& token : tokens) {
    json item = entry(token.id, token.logprob);
    item["top_logprobs"] = json::array();
    for (const TokenAlternative& top : token.top)
      item["top_logprobs"].push_back(entry(top.id, top.logprob));
    content.push_back(std::move(item));
  }
  return {{"content", std::move(content)}};
}

json ResponseRenderer::TextLogprobs(const std::vector<GeneratedToken>& tokens) {
  json out = {{"tokens", json::array()},
              {"token_logprobs", json::array()},
              {"top_logprobs", json::array()},
              {"text_offset", json::array()}};
  for (const GeneratedToken& token : tokens) {
    const std::string_view bytes = tokenizer_.TokenBytes(token.id);
    out["tokens"].push_back(std::string(bytes));
    out["token_logprobs"].push_back(Logprob(token.logprob));
    json top = json::object();
    for (const TokenAlternative& other : token.top) {
      top[std::string(tokenizer_.TokenBytes(other.id))] = Logprob(other.logprob);
    }
    out["top_logprobs"].push_back(std::move(top));
    out["text_offset"].push_back(text_offset_);
    text_offset_ += Characters(bytes);
  }
  return out;
}

}  // namespace conclave
