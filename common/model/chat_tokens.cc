#include "common/model/chat_tokens.h"

#include "common/model/utf8.h"

namespace conclave::chat {

absl::Status CheckMessages(const std::vector<ChatMessage>& messages, const Settings& settings) {
  if (messages.empty()) return InvalidArgument("messages is empty; at least one message is needed");
  for (size_t i = 0; i < messages.size(); ++i) {
    const ChatMessage& message = messages[i];
    const bool assistant = message.role == "assistant", tool = message.role == "tool";
    if (!assistant && !tool && message.role != "system" && message.role != "user") {
      return InvalidArgument(
          "messages[{}].role is \"{}\"; system, user, assistant or tool is needed", i,
          Printable(message.role, 64));
    }
    if (!message.tool_calls.empty() && !assistant) {
      return InvalidArgument("messages[{}] has tool_calls; only the assistant's messages may", i);
    }
    if ((tool || !message.tool_calls.empty()) && !settings.tools) {
      return InvalidArgument("messages[{}] is about tools; this model's chat template knows none",
                             i);
    }
    if (message.content_is_null && message.tool_calls.empty()) {
      return InvalidArgument(
          "messages[{}].content is null; only an assistant's message with tool_calls may have none",
          i);
    }
  }
  return absl::OkStatus();
}

std::string SystemPrompt(const std::vector<ChatMessage>& messages, const Settings& settings) {
  std::string prompt;
  bool first = true;
  for (const ChatMessage& message : messages) {
    if (message.role != "system") continue;
    if (!settings.joins_system) {
      prompt.clear();
    } else if (!first) {
      prompt += "\n\n";
    }
    prompt += message.content;
    first = false;
  }
  return prompt;
}

std::string_view PastAnswer(std::string_view content, const Settings& settings) {
  constexpr std::string_view kClose = "</think>";
  const size_t close = settings.cuts_reasoning ? content.rfind(kClose) : std::string_view::npos;
  return close == std::string_view::npos ? content : content.substr(close + kClose.size());
}

std::string RenderCall(const ToolCall& call) {
  return fmt::format("{}{}{}{}\n```json\n{}\n```{}", kCallBegin, call.type, kToolSep, call.name,
                     call.arguments, kCallEnd);
}

}  // namespace conclave::chat
