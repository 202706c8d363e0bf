// The messages of a golden chat.
#pragma once

#include <nlohmann/json.hpp>
#include <vector>

#include "common/model/chat_format.h"

namespace conclave::golden {

inline std::vector<ChatMessage> Messages(const nlohmann::json& list) {
  std::vector<ChatMessage> messages;
  for (const nlohmann::json& item : list) {
    ChatMessage message{.role = item["role"]};
    message.content_is_null = item["content"].is_null();
    if (!message.content_is_null) message.content = item["content"];
    for (const nlohmann::json& call : item.value("tool_calls", nlohmann::json::array())) {
      message.tool_calls.push_back(
          {call["type"], call["function"]["name"], call["function"]["arguments"]});
    }
    messages.push_back(std::move(message));
  }
  return messages;
}

}  // namespace conclave::golden
