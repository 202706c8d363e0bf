// Literals of DeepSeek's chat templates, and the pieces that its templates share. Internal to this
// module.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/base/status.h"
#include "common/model/chat_format.h"

namespace conclave::chat {

inline constexpr std::string_view kUser = "<｜User｜>";
inline constexpr std::string_view kAssistant = "<｜Assistant｜>";
inline constexpr std::string_view kEndOfSentence = "<｜end▁of▁sentence｜>";
inline constexpr std::string_view kCallsBegin = "<｜tool▁calls▁begin｜>";
inline constexpr std::string_view kCallsEnd = "<｜tool▁calls▁end｜>";
inline constexpr std::string_view kCallBegin = "<｜tool▁call▁begin｜>";
inline constexpr std::string_view kCallEnd = "<｜tool▁call▁end｜>";
inline constexpr std::string_view kToolSep = "<｜tool▁sep｜>";
inline constexpr std::string_view kOutputsBegin = "<｜tool▁outputs▁begin｜>";
inline constexpr std::string_view kOutputsEnd = "<｜tool▁outputs▁end｜>";
inline constexpr std::string_view kOutputBegin = "<｜tool▁output▁begin｜>";
inline constexpr std::string_view kOutputEnd = "<｜tool▁output▁end｜>";

// What the checkpoint's files say beyond the template's form.
struct Settings {
  std::string bos;                // text of the BOS token
  std::string eos;                // text of the EOS token
  std::string generation_prompt;  // <｜Assistant｜>, in some checkpoints with <think> after it
  bool tools = true;              // the template knows tool calls
  bool joins_system = true;       // all system messages, joined by an empty line; else the last one
  bool cuts_reasoning = false;    // up to </think> from the assistant's past turns
  std::string output_separator = {};  // between the outputs of tools
};

// InvalidArgument naming the message: none at all, unknown roles, missing content, tools that the
// template does not know.
absl::Status CheckMessages(const std::vector<ChatMessage>& messages, const Settings& settings);

// The system messages that the template prints: they come first wherever they stood.
std::string SystemPrompt(const std::vector<ChatMessage>& messages, const Settings& settings);

// What the template prints of an assistant's past answer.
std::string_view PastAnswer(std::string_view content, const Settings& settings);

// One call, from its begin token to its end token.
std::string RenderCall(const ToolCall& call);

std::unique_ptr<ChatFormat> MakeDeepseekV3(Settings settings);
std::unique_ptr<ChatFormat> MakeDeepseekR1(Settings settings);
std::unique_ptr<ChatFormat> MakeDeepseekLater(Settings settings);
// From the template's canonical text (chat_template_text.h). Null when it is of another form.
std::unique_ptr<ChatFormat> MakeTurns(std::string_view canonical, const Settings& settings);

}  // namespace conclave::chat
