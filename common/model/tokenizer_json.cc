#include "common/model/tokenizer_json.h"

#include <nlohmann/json.hpp>

#include "common/model/json_fields.h"

namespace conclave {
namespace {

using nlohmann::json;

constexpr int64_t kMaxId = (1 << 24) - 1;

std::string TypeOf(const json& object) {
  auto type = object.find("type");
  return type != object.end() && type->is_string() ? type->get<std::string>() : "";
}

// null, absent, false, 0-length text or list: a setting that is off.
bool IsOff(const json* value) {
  return value == nullptr || (value->is_boolean() && !value->get<bool>()) ||
         (value->is_string() && value->get_ref<const std::string&>().empty()) ||
         (value->is_array() && value->empty());
}

absl::Status RequireOff(const FieldReader& fields, std::initializer_list<const char*> names) {
  for (const char* name : names) {
    const json* value = fields.Find(name);
    if (!IsOff(value)) {
      return InvalidArgument("{}: field {} is {}; it is not supported", fields.origin(), name,
                             Show(*value));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<TokenizerSpec::Added>> ParseAdded(const FieldReader& root) {
  std::vector<TokenizerSpec::Added> result;
  const json* list = root.Find("added_tokens");
  if (list == nullptr) return result;
  if (!list->is_array())
    return InvalidArgument("{}: added_tokens is {}; a list is needed", root.origin(), Show(*list));
  for (const json& entry : *list) {
    const std::string where = fmt::format("{}: added_tokens[{}]", root.origin(), result.size());
    if (!entry.is_object())
      return InvalidArgument("{} is {}; an object is needed", where, Show(entry));
    FieldReader fields(entry, where);
    TokenizerSpec::Added token;
    token.id = fields.Int("id", 0, kMaxId);
    token.content = fields.String("content");
    token.special = fields.BoolOr("special", false);
    token.normalized = fields.BoolOr("normalized", !token.special);
    RETURN_IF_ERROR(fields.status());
    RETURN_IF_ERROR(RequireOff(fields, {"single_word", "lstrip", "rstrip"}));
    if (token.content.empty()) return InvalidArgument("{}: content is empty", where);
    result.push_back(std::move(token));
  }
  return result;
}

// Nothing, NFC, or a Sequence of these.
absl::Status ParseNormalizer(const FieldReader& root, TokenizerSpec& spec) {
  const json* normalizer = root.Find("normalizer");
  if (normalizer == nullptr) return absl::OkStatus();
  std::vector<const json*> parts = {normalizer};
  if (normalizer->is_object() && TypeOf(*normalizer) == "Sequence") {
    auto list = normalizer->find("normalizers");
    parts.clear();
    if (list == normalizer->end() || !list->is_array())
      return InvalidArgument("{}: normalizer.normalizers is not a list", root.origin());
    for (const json& part : *list) parts.push_back(&part);
  }
  for (const json* part : parts) {
    const std::string type = part->is_object() ? TypeOf(*part) : "";
    if (type != "NFC") {
      return InvalidArgument("{}: normalizer is {} of type \"{}\"; only null and NFC are supported",
                             root.origin(), Show(*part), type);
    }
    spec.nfc = true;
  }
  return absl::OkStatus();
}

// One element of the pre-tokenizer sequence. Sets `byte_level` when it is the byte-level step.
absl::Status ParseStep(const json& step, const std::string& where, TokenizerSpec& spec,
                       bool& byte_level) {
  if (!step.is_object()) return InvalidArgument("{} is {}; an object is needed", where, Show(step));
  FieldReader fields(step, where);
  const std::string type = TypeOf(step);
  if (type == "Split") {
    fields.ExpectString("behavior", "Isolated", "no other behaviour is supported", true);
    RETURN_IF_ERROR(fields.status());
    RETURN_IF_ERROR(RequireOff(fields, {"invert"}));
    const json* pattern = fields.Find("pattern");
    if (pattern == nullptr || !pattern->is_object() || !pattern->contains("Regex") ||
        !(*pattern)["Regex"].is_string()) {
      return InvalidArgument("{}: pattern is not {{\"Regex\": text}}", where);
    }
    spec.split_patterns.push_back((*pattern)["Regex"].get<std::string>());
    return absl::OkStatus();
  }
  if (type == "Digits") {
    // Numeric characters, each a piece of its own or every run of them one piece.
    const bool individual = fields.BoolOr("individual_digits", false);
    RETURN_IF_ERROR(fields.status());
    spec.split_patterns.push_back(individual ? "\\p{N}" : "\\p{N}+");
    return absl::OkStatus();
  }
  if (type == "ByteLevel") {
    byte_level = true;
    // Both default to true in the file format, so they have to be switched off in so many words.
    for (const char* name : {"add_prefix_space", "use_regex"}) {
      const json* value = fields.Find(name);
      if (value == nullptr || *value != json(false)) {
        return InvalidArgument("{}: {} is {}; false is needed", where, name,
                               value == nullptr ? "missing" : Show(*value));
      }
    }
    return absl::OkStatus();
  }
  return InvalidArgument("{}: type \"{}\" is not supported; supported: Split, Digits, ByteLevel",
                         where, type);
}

absl::Status ParsePreTokenizer(const FieldReader& root, TokenizerSpec& spec) {
  const std::string where = root.origin() + ": pre_tokenizer";
  const json* pre = root.Find("pre_tokenizer");
  if (pre == nullptr || !pre->is_object()) {
    return InvalidArgument("{} is {}; a Sequence of Split, Digits and ByteLevel is needed", where,
                           pre == nullptr ? "missing" : Show(*pre));
  }
  bool byte_level = false;
  if (TypeOf(*pre) != "Sequence") {
    RETURN_IF_ERROR(ParseStep(*pre, where, spec, byte_level));
  } else {
    auto steps = pre->find("pretokenizers");
    if (steps == pre->end() || !steps->is_array())
      return InvalidArgument("{}: pretokenizers is not a list", where);
    for (size_t i = 0; i < steps->size(); ++i) {
      if (byte_level)
        return InvalidArgument("{}: ByteLevel is not the last of {} steps", where, steps->size());
      RETURN_IF_ERROR(
          ParseStep((*steps)[i], fmt::format("{}.pretokenizers[{}]", where, i), spec, byte_level));
    }
  }
  if (!byte_level) return InvalidArgument("{}: there is no ByteLevel step", where);
  return absl::OkStatus();
}

absl::Status ParseVocab(const FieldReader& model, TokenizerSpec& spec) {
  const json* vocab = model.Find("vocab");
  if (vocab == nullptr || !vocab->is_object() || vocab->empty()) {
    return InvalidArgument("{}: vocab is missing, empty or not an object", model.origin());
  }
  spec.vocab.reserve(vocab->size());
  for (const auto& [text, id] : vocab->items()) {
    if (!id.is_number_unsigned() || id.get<uint64_t>() > static_cast<uint64_t>(kMaxId)) {
      return InvalidArgument("{}: vocab: token {} has id {}; an integer in [0, {}] is needed",
                             model.origin(), text, Show(id), kMaxId);
    }
    spec.vocab.emplace_back(text, id.get<TokenId>());
  }
  return absl::OkStatus();
}

// "a b" or ["a", "b"].
absl::Status ParseMerges(const FieldReader& model, TokenizerSpec& spec) {
  const json* merges = model.Find("merges");
  if (merges == nullptr || !merges->is_array()) {
    return InvalidArgument("{}: merges is missing or not a list", model.origin());
  }
  spec.merges.reserve(merges->size());
  for (const json& merge : *merges) {
    std::string left, right;
    if (merge.is_string()) {
      const std::string& text = merge.get_ref<const std::string&>();
      size_t space = text.find(' ');
      if (space != std::string::npos && text.find(' ', space + 1) == std::string::npos) {
        left = text.substr(0, space);
        right = text.substr(space + 1);
      }
    } else if (merge.is_array() && merge.size() == 2 && merge[0].is_string() &&
               merge[1].is_string()) {
      left = merge[0].get<std::string>();
      right = merge[1].get<std::string>();
    }
    if (left.empty() || right.empty()) {
      return InvalidArgument(
          "{}: merges[{}] is {}; two tokens are needed, as \"a b\" or [\"a\", \"b\"]",
          model.origin(), spec.merges.size(), Show(merge));
    }
    spec.merges.emplace_back(std::move(left), std::move(right));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<TokenizerSpec> ParseTokenizerJson(std::string_view text, const std::string& origin) {
  ASSIGN_OR_RETURN(json document, ParseJson(text, origin));
  if (!document.is_object()) return InvalidArgument("{}: the document is not an object", origin);
  FieldReader root(document, origin);
  TokenizerSpec spec;
  ASSIGN_OR_RETURN(spec.added, ParseAdded(root));
  RETURN_IF_ERROR(ParseNormalizer(root, spec));
  RETURN_IF_ERROR(ParsePreTokenizer(root, spec));

  const json* decoder = root.Find("decoder");
  if (decoder == nullptr || !decoder->is_object() || TypeOf(*decoder) != "ByteLevel") {
    return InvalidArgument("{}: decoder is {}; type ByteLevel is needed", origin,
                           decoder == nullptr ? "missing" : Show(*decoder));
  }
  const json* model_object = root.Find("model");
  if (model_object == nullptr || !model_object->is_object()) {
    return InvalidArgument("{}: model is {}; an object is needed", origin,
                           model_object == nullptr ? "missing" : Show(*model_object));
  }
  FieldReader model(*model_object, origin + ": model");
  model.ExpectString("type", "BPE", "no other model is supported", true);
  RETURN_IF_ERROR(model.status());
  spec.ignore_merges = model.BoolOr("ignore_merges", false);
  RETURN_IF_ERROR(model.status());
  RETURN_IF_ERROR(RequireOff(
      model, {"dropout", "byte_fallback", "continuing_subword_prefix", "end_of_word_suffix"}));
  RETURN_IF_ERROR(ParseVocab(model, spec));
  RETURN_IF_ERROR(ParseMerges(model, spec));
  return spec;
}

}  // namespace conclave
