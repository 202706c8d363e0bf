#include "common/model/chat_format.h"

#include <nlohmann/json.hpp>
#include <optional>

#include "common/model/chat_tokens.h"
#include "common/model/json_fields.h"
#include "common/model/read_file.h"

namespace conclave {
namespace {

using nlohmann::json;

constexpr std::string_view kSupported =
    "supported: the templates of DeepSeek-V3 (2024-12) and DeepSeek-R1 (2025-01)";

bool Contains(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

// The template's text as the template language sees it: \n written as an escape becomes a line
// break.
std::string Unescape(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 1 < text.size() && text[i + 1] == 'n') {
      out += '\n';
      ++i;
    } else {
      out += text[i];
    }
  }
  return out;
}

// bos_token is a string or an object with its content.
absl::StatusOr<std::string> BosText(const json& config, const std::string& origin) {
  auto bos = config.find("bos_token");
  const json* text = bos == config.end() ? nullptr : &*bos;
  if (text != nullptr && text->is_object()) {
    auto content = text->find("content");
    text = content == text->end() ? nullptr : &*content;
  }
  if (text == nullptr || !text->is_string()) {
    return InvalidArgument("{}: bos_token is neither a string nor an object with content", origin);
  }
  return text->get<std::string>();
}

// The literal that the template prints last, for the generation prompt.
std::optional<std::string> GenerationPrompt(const std::string& chat_template) {
  size_t condition = chat_template.rfind("add_generation_prompt and not ns.is_tool");
  if (condition == std::string::npos) return std::nullopt;
  size_t begin = chat_template.find('\'', condition);
  if (begin == std::string::npos) return std::nullopt;
  size_t end = chat_template.find('\'', begin + 1);
  if (end == std::string::npos) return std::nullopt;
  return chat_template.substr(begin + 1, end - begin - 1);
}

enum class Form { kUnknown, kV3, kR1 };

// By fragments that the forms do not share. Later DeepSeek templates (V3-0324, R1-0528, V3.1)
// differ in ways that matter and carry marks of their own.
Form Recognise(const std::string& chat_template) {
  for (std::string_view part :
       {"<｜User｜>", "<｜Assistant｜>", "<｜end▁of▁sentence｜>", "ns.system_prompt"}) {
    if (!Contains(chat_template, part)) return Form::kUnknown;
  }
  for (std::string_view part :
       {"ns.is_last_user", "thinking", "message['reasoning", "tools is defined"}) {
    if (Contains(chat_template, part)) return Form::kUnknown;
  }
  if (Contains(chat_template, "split('</think>')[-1]")) return Form::kR1;
  if (Contains(chat_template, "think>")) return Form::kUnknown;
  if (Contains(chat_template, "message['role'] == 'assistant' and message['content'] is none"))
    return Form::kV3;
  return Form::kUnknown;
}

}  // namespace

absl::StatusOr<std::unique_ptr<ChatFormat>> ChatFormat::Parse(const std::string& json_text,
                                                              const std::string& origin) {
  ASSIGN_OR_RETURN(json config, ParseJson(json_text, origin));
  if (!config.is_object()) return InvalidArgument("{}: the document is not an object", origin);
  auto field = config.find("chat_template");
  if (field == config.end() || !field->is_string()) {
    return InvalidArgument("{}: chat_template is {}; a string is needed, {}", origin,
                           field == config.end() ? "missing" : Show(*field), kSupported);
  }
  const std::string chat_template = Unescape(field->get_ref<const std::string&>());
  const Form form = Recognise(chat_template);
  if (form == Form::kUnknown) {
    return InvalidArgument("{}: chat_template of {} bytes is of an unknown form; {}", origin,
                           chat_template.size(), kSupported);
  }
  chat::Settings settings;
  ASSIGN_OR_RETURN(settings.bos, BosText(config, origin));
  settings.tools = Contains(chat_template, chat::kCallBegin);
  const std::string assistant(chat::kAssistant);
  settings.generation_prompt = GenerationPrompt(chat_template).value_or("");
  if (settings.generation_prompt != assistant &&
      settings.generation_prompt != assistant + "<think>" &&
      settings.generation_prompt != assistant + "<think>\n") {
    return InvalidArgument(
        "{}: chat_template: the generation prompt is \"{}\"; {} with or without <think> is known",
        origin, settings.generation_prompt, assistant);
  }
  return form == Form::kR1 ? chat::MakeDeepseekR1(std::move(settings))
                           : chat::MakeDeepseekV3(std::move(settings));
}

absl::StatusOr<std::unique_ptr<ChatFormat>> ChatFormat::Load(const std::string& dir) {
  const std::string path = dir + "/tokenizer_config.json";
  ASSIGN_OR_RETURN(std::string text, ReadFile(path, 16 << 20));
  return Parse(text, path);
}

}  // namespace conclave
