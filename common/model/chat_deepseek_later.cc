// The template of DeepSeek-V3-0324, and that of R1-0528-Qwen3 with past reasoning cut: the
// assistant is named right after each user message, lists of calls and outputs begin anew in every
// turn, and calls are closed once per message.
#include "common/model/chat_tokens.h"

namespace conclave::chat {
namespace {

class DeepseekLaterFormat : public ChatFormat {
 public:
  explicit DeepseekLaterFormat(Settings settings) : settings_(std::move(settings)) {}
  std::string_view Name() const override {
    return settings_.cuts_reasoning ? "deepseek_r1_0528" : "deepseek_v3_0324";
  }
  bool PromptOpensReasoning() const override { return false; }

  absl::StatusOr<std::string> Render(const std::vector<ChatMessage>& messages,
                                     bool add_generation_prompt) const override {
    RETURN_IF_ERROR(CheckMessages(messages, settings_));
    std::string out = settings_.bos + SystemPrompt(messages, settings_);
    const auto add = [&out](auto... parts) { ((out += parts), ...); };
    bool after_user = false, after_tool = false, outputs_open = false;
    for (const ChatMessage& message : messages) {
      const std::string_view answer = PastAnswer(message.content, settings_);
      if (message.role == "user") {
        after_tool = false;
        after_user = true;
        add(kUser, message.content, kAssistant);
      } else if (message.role == "assistant" && !message.tool_calls.empty()) {
        if (after_tool) out += kOutputsEnd;
        after_user = after_tool = outputs_open = false;
        add(answer, kCallsBegin);
        for (size_t i = 0; i < message.tool_calls.size(); ++i)
          add(i > 0 ? "\n" : "", RenderCall(message.tool_calls[i]));
        add(kCallsEnd, kEndOfSentence);
      } else if (message.role == "assistant") {
        if (after_tool) out += kOutputsEnd;
        after_user = after_tool = false;
        add(answer, kEndOfSentence);
      } else if (message.role == "tool") {
        after_user = false;
        after_tool = true;
        add(outputs_open ? settings_.output_separator : std::string(kOutputsBegin), kOutputBegin,
            message.content, kOutputEnd);
        outputs_open = true;
      }
    }
    if (after_tool) out += kOutputsEnd;
    if (add_generation_prompt && !after_user && !after_tool) out += kAssistant;
    return out;
  }

 private:
  Settings settings_;
};

}  // namespace

std::unique_ptr<ChatFormat> MakeDeepseekLater(Settings settings) {
  return std::make_unique<DeepseekLaterFormat>(std::move(settings));
}

}  // namespace conclave::chat
