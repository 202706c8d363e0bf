// Renders messages into the model's prompt text, in the form of the checkpoint's own chat template.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/status.h"

namespace conclave {

// A call that the assistant made in an earlier turn.
struct ToolCall {
  std::string type = "function";
  std::string name;
  std::string arguments;  // JSON text, rendered as it is
};

struct ChatMessage {
  std::string role;                       // system, user, assistant, tool
  std::string content;                    // UTF-8
  std::vector<ToolCall> tool_calls = {};  // assistant only
  bool content_is_null = false;  // the message had no content at all; `content` is then empty
};

// Const and thread-safe. The format is recognised from `dir`/tokenizer_config.json (its
// chat_template), never guessed from the folder's name. A template of another form is
// InvalidArgument: rendering it wrongly would cost answers silently.
class ChatFormat {
 public:
  static absl::StatusOr<std::unique_ptr<ChatFormat>> Load(const std::string& dir);
  // The same from the text of a tokenizer_config.json.
  static absl::StatusOr<std::unique_ptr<ChatFormat>> Parse(const std::string& json_text,
                                                           const std::string& origin);
  virtual ~ChatFormat() = default;
  virtual std::string_view Name() const = 0;  // e.g. "deepseek_r1", see README.md
  // True when the generation prompt itself ends inside <think>, so that answers begin with
  // reasoning and carry no opening tag.
  virtual bool PromptOpensReasoning() const = 0;
  // The prompt text, with BOS. InvalidArgument for an unknown role or an order the format cannot
  // express.
  virtual absl::StatusOr<std::string> Render(const std::vector<ChatMessage>& messages,
                                             bool add_generation_prompt) const = 0;
};

}  // namespace conclave
