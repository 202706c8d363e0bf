// Renders messages into the model's prompt text, in the form of the checkpoint's own chat template.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "common/base/status.h"

namespace conclave {

struct ChatMessage {
  std::string role;     // system, user, assistant, tool
  std::string content;  // UTF-8
};

// Const and thread-safe. The format is recognised from `dir`/tokenizer_config.json (its chat_template),
// never guessed from the folder's name.
class ChatFormat {
 public:
  static absl::StatusOr<std::unique_ptr<ChatFormat>> Load(const std::string& dir);
  virtual ~ChatFormat() = default;
  virtual std::string_view Name() const = 0;  // "deepseek_v3", "deepseek_r1"
  // The prompt text, with BOS. InvalidArgument for an unknown role or an order the format cannot express.
  virtual absl::StatusOr<std::string> Render(const std::vector<ChatMessage>& messages,
                                             bool add_generation_prompt) const = 0;
};

}  // namespace conclave
