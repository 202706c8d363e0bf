// DeepSeek-R1's template: V3's, but past reasoning is cut out of the assistant's turns, calls may
// follow content, and the list of calls is closed once per message.
#include "common/model/chat_tokens.h"

namespace conclave::chat {
namespace {

class DeepseekR1Format : public ChatFormat {
 public:
  explicit DeepseekR1Format(Settings settings) : settings_(std::move(settings)) {}
  std::string_view Name() const override { return "deepseek_r1"; }
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
      } else if (message.role == "assistant" && !message.tool_calls.empty()) {
        after_tool = false;
        for (const ToolCall& call : message.tool_calls) {
          if (!calls_open) {
            add(kAssistant, message.content, kCallsBegin, RenderCall(call));
            calls_open = true;
          } else {
            add("\n", RenderCall(call));
          }
        }
        add(kCallsEnd, kEndOfSentence);
      } else if (message.role == "assistant" && after_tool) {
        add(kOutputsEnd, message.content, kEndOfSentence);
        after_tool = false;
      } else if (message.role == "assistant") {
        add(kAssistant, PastAnswer(message.content, settings_), kEndOfSentence);
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

std::unique_ptr<ChatFormat> MakeDeepseekR1(Settings settings) {
  return std::make_unique<DeepseekR1Format>(std::move(settings));
}

}  // namespace conclave::chat
