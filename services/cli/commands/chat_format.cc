#include "services/cli/commands/chat_format.h"

#include "common/model/chat_format.h"
#include "services/cli/commands/json_lines.h"

namespace conclave {
namespace {

using nlohmann::json;

// A string field, or `fallback` when it is absent and there is one.
absl::StatusOr<std::string> ReadText(const json& object, const char* name, const std::string& where,
                                     const char* fallback = nullptr) {
  auto field = object.find(name);
  if (field == object.end() && fallback != nullptr) return std::string(fallback);
  if (field == object.end() || !field->is_string()) {
    return InvalidArgument("{}.{} is missing or not a string", where, name);
  }
  return field->get<std::string>();
}

absl::StatusOr<ToolCall> ReadCall(const json& object, const std::string& where) {
  auto function = object.is_object() ? object.find("function") : object.end();
  if (!object.is_object() || function == object.end() || !function->is_object()) {
    return InvalidArgument("{}.function is missing or not an object", where);
  }
  ToolCall call;
  ASSIGN_OR_RETURN(call.type, ReadText(object, "type", where, "function"));
  ASSIGN_OR_RETURN(call.name, ReadText(*function, "name", where + ".function"));
  ASSIGN_OR_RETURN(call.arguments, ReadText(*function, "arguments", where + ".function"));
  return call;
}

absl::StatusOr<ChatMessage> ReadMessage(const json& object, const std::string& where) {
  if (!object.is_object()) return InvalidArgument("{} is not an object", where);
  ChatMessage message;
  ASSIGN_OR_RETURN(message.role, ReadText(object, "role", where));
  auto content = object.find("content");
  if (content == object.end() || content->is_null()) {
    message.content_is_null = true;
  } else {
    ASSIGN_OR_RETURN(message.content, ReadText(object, "content", where));
  }
  auto calls = object.find("tool_calls");
  if (calls == object.end() || calls->is_null()) return message;
  if (!calls->is_array()) return InvalidArgument("{}.tool_calls is not a list", where);
  for (const json& item : *calls) {
    ASSIGN_OR_RETURN(ToolCall call, ReadCall(item, fmt::format("{}.tool_calls[{}]", where,
                                                               message.tool_calls.size())));
    message.tool_calls.push_back(std::move(call));
  }
  return message;
}

}  // namespace

int RunChatFormat(const std::string& model_dir, std::istream& in, std::ostream& out,
                  std::ostream& err) {
  auto format = ChatFormat::Load(model_dir);
  if (!format.ok()) {
    err << Message(format.status()) << '\n';
    return 1;
  }
  return FilterJsonLines(in, out, [&](const json& line) -> absl::StatusOr<json> {
    auto list = line.find("messages");
    if (list == line.end() || !list->is_array())
      return InvalidArgument("field messages is missing or not a list");
    bool add_generation_prompt = true;
    if (auto add = line.find("add_generation_prompt"); add != line.end()) {
      if (!add->is_boolean())
        return InvalidArgument("field add_generation_prompt is not true or false");
      add_generation_prompt = add->get<bool>();
    }
    std::vector<ChatMessage> messages;
    for (const json& item : *list) {
      ASSIGN_OR_RETURN(ChatMessage message,
                       ReadMessage(item, fmt::format("messages[{}]", messages.size())));
      messages.push_back(std::move(message));
    }
    ASSIGN_OR_RETURN(std::string rendered, (*format)->Render(messages, add_generation_prompt));
    return json{{"rendered", rendered}};
  });
}

}  // namespace conclave
