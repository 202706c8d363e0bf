#include "common/model/chat_format.h"

#include <nlohmann/json.hpp>
#include <optional>

#include "common/model/chat_template_text.h"
#include "common/model/chat_tokens.h"
#include "common/model/json_fields.h"
#include "common/model/read_file.h"

namespace conclave {
namespace {

using nlohmann::json;

constexpr int64_t kMaxFileBytes = 16 << 20;

constexpr std::string_view kSupported =
    "supported: the templates of DeepSeek LLM, V2, V3 (2024-12, 2025-03), R1 (2025-01), "
    "R1-0528-Qwen3 and the R1 distills";

bool Contains(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

// A token's text: a string or an object with its content. Empty when absent or null.
absl::StatusOr<std::string> TokenText(const json& config, const char* name,
                                      const std::string& origin) {
  auto field = config.find(name);
  if (field == config.end() || field->is_null()) return std::string();
  const json* text = &*field;
  if (text->is_object()) {
    auto content = text->find("content");
    text = content == text->end() ? nullptr : &*content;
  }
  if (text == nullptr || !text->is_string()) {
    return InvalidArgument("{}: {} is neither a string nor an object with content", origin, name);
  }
  return text->get<std::string>();
}

// The template's text: a string, or a list of named ones, of which "default" counts.
const json* TemplateText(const json& config) {
  auto field = config.find("chat_template");
  if (field == config.end()) return nullptr;
  if (field->is_array()) {
    for (const json& entry : *field) {
      if (entry.is_object() && entry.value("name", json()) == "default" &&
          entry.contains("template"))
        return &entry["template"];
    }
  }
  return &*field;
}

// The literal that the template prints last, for the generation prompt.
std::optional<std::string> GenerationPrompt(const std::string& chat_template) {
  size_t condition = chat_template.rfind("add_generation_promptandnotns.is_tool");
  if (condition == std::string::npos) return std::nullopt;
  size_t begin = chat_template.find('\'', condition);
  if (begin == std::string::npos) return std::nullopt;
  size_t end = chat_template.find('\'', begin + 1);
  if (end == std::string::npos) return std::nullopt;
  return chat_template.substr(begin + 1, end - begin - 1);
}

enum class Form { kUnknown, kV3, kR1, kLater };

// What the forms with tool calls print of one call, and where they close the list of calls.
constexpr std::string_view kCall =
    "tool['type']+'<｜tool▁sep｜>'+tool['function']['name']+'\n'+'```json'+'\n'"
    "+tool['function']['arguments']+'\n'+'```'+'<｜tool▁call▁end｜>'}}";
constexpr std::string_view kClosedByCall =
    "'<｜tool▁call▁end｜>'}}{{'<｜tool▁calls▁end｜><｜end▁of▁sentence｜>'}}{%endif%}{%endfor%}";
constexpr std::string_view kClosedByMessage =
    "{%endif%}{%endfor%}{{'<｜tool▁calls▁end｜><｜end▁of▁sentence｜>'}}";

// V3-0324 and R1-0528-Qwen3: by all the places where their state shows.
bool IsLater(const std::string& text, const chat::Settings& settings) {
  const std::string content = settings.cuts_reasoning ? "content" : "message['content']";
  for (const std::string& part :
       {"{{'<｜User｜>'+" + content + "+'<｜Assistant｜>'}}",
        std::string("{%ifns.is_tool%}{{'<｜tool▁outputs▁end｜>'}}{%endif%}{%setns.is_first=false%}"
                    "{%setns.is_tool=false%}{%setns.is_output_first=true%}"),
        "{{" + content + "+'<｜tool▁calls▁begin｜>", std::string(kClosedByMessage),
        std::string("andmessage['tool_calls']isdefinedandmessage['tool_calls']isnotnone"),
        "{{'<｜tool▁outputs▁end｜>'+" + content + "+'<｜end▁of▁sentence｜>'}}",
        std::string("{{content+'<｜end▁of▁sentence｜>'}}")}) {
    if (!Contains(text, part)) return false;
  }
  return settings.tools && settings.joins_system && settings.output_separator == "\n" &&
         text.ends_with(
             "{%ifadd_generation_promptandnotns.is_last_userandnotns.is_tool%}"
             "{{'<｜Assistant｜>'}}{%endif%}");
}

// By fragments of the canonical text that the forms do not share. Other DeepSeek templates
// (V2.5, R1-0528, V3.1) differ in ways that matter and carry marks of their own.
Form Recognise(const std::string& text, chat::Settings& settings) {
  for (std::string_view part :
       {"<｜User｜>", "<｜Assistant｜>", "<｜end▁of▁sentence｜>", "ns.system_prompt"}) {
    if (!Contains(text, part)) return Form::kUnknown;
  }
  for (std::string_view part :
       {"thinking", "message['reasoning", "message['prefix", "toolsisdefined", "last_index"}) {
    if (Contains(text, part)) return Form::kUnknown;
  }
  if (chat::PrintsOutsideTags(text)) return Form::kUnknown;
  settings.tools = Contains(text, chat::kCallBegin);
  settings.joins_system = !Contains(text, "setns.system_prompt=message['content']");
  settings.cuts_reasoning = Contains(text, "split('</think>')[-1]");
  if (Contains(text, "'\n<｜tool▁output▁begin｜>'")) settings.output_separator = "\n";
  if (settings.tools && !Contains(text, kCall)) return Form::kUnknown;
  if (!settings.cuts_reasoning && Contains(text, "think>")) return Form::kUnknown;
  if (IsLater(text, settings)) return Form::kLater;
  for (std::string_view part : {"ns.is_last_user", "andmessage['tool_calls']"}) {
    if (Contains(text, part)) return Form::kUnknown;
  }
  if (Contains(text, "message['role']=='assistant'andmessage['content']isnone"))
    return Contains(text, kClosedByCall) ? Form::kV3 : Form::kUnknown;
  if (!settings.tools) return settings.cuts_reasoning ? Form::kR1 : Form::kUnknown;
  return Contains(text, "'tool_calls'inmessage") && Contains(text, kClosedByMessage)
             ? Form::kR1
             : Form::kUnknown;
}

}  // namespace

absl::StatusOr<std::unique_ptr<ChatFormat>> ChatFormat::Parse(const std::string& json_text,
                                                              const std::string& origin) {
  ASSIGN_OR_RETURN(json config, ParseJson(json_text, origin));
  if (!config.is_object()) return InvalidArgument("{}: the document is not an object", origin);
  const json* field = TemplateText(config);
  if (field == nullptr || !field->is_string()) {
    return InvalidArgument("{}: chat_template is {}; a string is needed, {}", origin,
                           field == nullptr ? "missing" : Show(*field), kSupported);
  }
  const std::string chat_template = chat::CanonicalTemplate(field->get_ref<const std::string&>());
  chat::Settings settings;
  ASSIGN_OR_RETURN(settings.bos, TokenText(config, "bos_token", origin));
  ASSIGN_OR_RETURN(settings.eos, TokenText(config, "eos_token", origin));
  for (const char* name : {"bos_token", "eos_token"}) {
    const bool used = Contains(chat_template, name);
    if (used && (name[0] == 'b' ? settings.bos : settings.eos).empty()) {
      return InvalidArgument("{}: the template prints {}, but the file has none", origin, name);
    }
  }
  if (auto turns = chat::MakeTurns(chat_template, settings)) return turns;
  const Form form = Recognise(chat_template, settings);
  if (form == Form::kUnknown) {
    return InvalidArgument("{}: chat_template of {} bytes is of an unknown form; {}", origin,
                           field->get_ref<const std::string&>().size(), kSupported);
  }
  if (form == Form::kLater) return chat::MakeDeepseekLater(std::move(settings));
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
  ASSIGN_OR_RETURN(std::string text, ReadFile(path, kMaxFileBytes));
  // Newer checkpoints keep the template in a file of its own, which then wins.
  absl::StatusOr<std::string> alone = ReadFile(dir + "/chat_template.jinja", kMaxFileBytes);
  if (absl::IsNotFound(alone.status())) return Parse(text, path);
  RETURN_IF_ERROR(alone.status());
  ASSIGN_OR_RETURN(json config, ParseJson(text, path));
  if (!config.is_object()) return InvalidArgument("{}: the document is not an object", path);
  config["chat_template"] = *alone;
  return Parse(config.dump(-1, ' ', false, json::error_handler_t::replace),
               dir + "/chat_template.jinja");
}

}  // namespace conclave
