// DeepSeek-V3's template of December 2024. The R1 distills share it but for the settings: they
// print the last system message only and cut past reasoning. Its state runs through all messages:
// the list of calls is opened only once per conversation, outputs likewise, and the list of calls
// is closed after the second call and every later one, never after a single call. The model was
// trained on what this prints, so it is kept.
#include "common/model/chat_tokens.h"

namespace conclave::chat {
namespace {

class DeepseekV3Format : public ChatFormat {
 public:
  explicit DeepseekV3Format(Settings settings) : settings_(std::move(settings)) {}
  std::string_view Name() const override {
    return settings_.cuts_reasoning ? "deepseek_r1_distill" : "deepseek_v3";
  }
  bool PromptOpensReasoning() const override { return settings_.generation_prompt != kAssistant; }

  absl::StatusOr<std::string> Render(const std::vector<ChatMessage>& messages,
                                     bool add_generation_prompt) const override {
    RETURN_IF_ERROR(CheckMessages(messages, settings_));
    std::string out = settings_.bos + SystemPrompt(messages, settings_);
    const auto add = [&out](auto... parts) { ((out += parts), ...); };
    bool calls_open = false, after_tool = false, outputs_open = false;
    for (const ChatMessage& message : messages) {
      if (message.role == "user") {
        after_tool = false;
        add(kUser, message.content);
      } else if (message.role == "assistant" && message.content_is_null) {
        after_tool = false;
        for (const ToolCall& call : message.tool_calls) {
          if (!calls_open) {
            add(kAssistant, kCallsBegin, RenderCall(call));
            calls_open = true;
          } else {
            add("\n", RenderCall(call), kCallsEnd, kEndOfSentence);
          }
        }
      } else if (message.role == "assistant") {
        if (after_tool) {
          add(kOutputsEnd, message.content, kEndOfSentence);
        } else {
          add(kAssistant, PastAnswer(message.content, settings_), kEndOfSentence);
        }
        after_tool = false;
      } else if (message.role == "tool") {
        after_tool = true;
        add(outputs_open ? settings_.output_separator : std::string(kOutputsBegin), kOutputBegin,
            message.content, kOutputEnd);
        outputs_open = true;
      }
    }
    if (after_tool) out += kOutputsEnd;
    if (add_generation_prompt && !after_tool) out += settings_.generation_prompt;
    return out;
  }

 private:
  Settings settings_;
};

}  // namespace

std::unique_ptr<ChatFormat> MakeDeepseekV3(Settings settings) {
  return std::make_unique<DeepseekV3Format>(std::move(settings));
}

}  // namespace conclave::chat
