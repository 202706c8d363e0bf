#include "services/router/model_assets.h"

#include "services/router/request_error.h"

namespace conclave {
namespace {

constexpr std::string_view kThink = "<think>";

std::string_view WithoutTrailingNewlines(std::string_view text) {
  const size_t last = text.find_last_not_of('\n');
  return last == std::string_view::npos ? std::string_view() : text.substr(0, last + 1);
}

absl::StatusOr<PreparedPrompt> PrepareChat(const ModelAssets& model,
                                           const std::vector<ChatMessage>& messages) {
  absl::StatusOr<std::string> text =
      model.chat_format->Render(messages, /*add_generation_prompt=*/true);
  if (!text.ok()) return WithParam(text.status(), "messages");
  absl::StatusOr<std::vector<TokenId>> ids = model.tokenizer->Encode(*text);
  if (!ids.ok()) return WithParam(ids.status(), "messages");
  return PreparedPrompt{*std::move(ids), WithoutTrailingNewlines(*text).ends_with(kThink)};
}

absl::StatusOr<PreparedPrompt> PrepareText(const ModelAssets& model, const std::string& text) {
  absl::StatusOr<std::vector<TokenId>> ids = model.tokenizer->Encode(text);
  if (!ids.ok()) return WithParam(ids.status(), "prompt");
  ids->insert(ids->begin(), model.config.bos_token_id);
  return PreparedPrompt{*std::move(ids), false};
}

absl::StatusOr<PreparedPrompt> PrepareIds(const ModelAssets& model,
                                          const std::vector<int32_t>& ids) {
  const int vocab = std::min(model.tokenizer->VocabSize(), model.config.vocab_size);
  for (size_t i = 0; i < ids.size(); ++i) {
    if (ids[i] < 0 || ids[i] >= vocab) {
      return WithParam(
          InvalidArgument("'prompt[{}]' is token id {}, but the vocabulary has ids 0 to {}", i,
                          ids[i], vocab - 1),
          "prompt");
    }
  }
  return PreparedPrompt{ids, false};
}

}  // namespace

absl::StatusOr<std::unique_ptr<const ModelAssets>> LoadModelAssets(const std::string& dir,
                                                                   const std::string& id) {
  auto model = std::make_unique<ModelAssets>();
  model->id = id;
  model->created_s = WallMicros() / 1000000;
  ASSIGN_OR_RETURN(model->config, LoadModelConfig(dir));
  ASSIGN_OR_RETURN(model->tokenizer, Tokenizer::Load(dir));
  ASSIGN_OR_RETURN(model->chat_format, ChatFormat::Load(dir));
  return std::unique_ptr<const ModelAssets>(std::move(model));
}

absl::StatusOr<PreparedPrompt> PreparePrompt(const ModelAssets& model,
                                             const GenerationRequest& request) {
  absl::StatusOr<PreparedPrompt> prompt;
  if (const auto* messages = std::get_if<std::vector<ChatMessage>>(&request.input)) {
    prompt = PrepareChat(model, *messages);
  } else if (const auto* text = std::get_if<std::string>(&request.input)) {
    prompt = PrepareText(model, *text);
  } else {
    prompt = PrepareIds(model, std::get<std::vector<int32_t>>(request.input));
  }
  if (!prompt.ok()) return prompt.status();
  if (prompt->ids.size() >= static_cast<size_t>(model.context_length())) {
    return WithParam(InvalidArgument("the prompt has {} tokens, but the model's context is {} "
                                     "tokens, of which at least one is needed "
                                     "for the answer; shorten it by {} tokens or more",
                                     prompt->ids.size(), model.context_length(),
                                     prompt->ids.size() - model.context_length() + 1),
                     request.is_chat() ? "messages" : "prompt", "context_length_exceeded");
  }
  return prompt;
}

}  // namespace conclave
