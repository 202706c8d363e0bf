#include "common/model/model_config.h"

#include "common/model/config_parts.h"
#include "common/model/json_fields.h"
#include "common/model/read_file.h"
#include "common/model/utf8.h"

namespace conclave {
namespace {

using nlohmann::json;

constexpr int64_t kMaxFileBytes = 16 << 20;

struct Family {
  const char* model_type;
  ModelFamily family;
  int max_mtp_layers;
  void (*read)(FieldReader&, ModelConfig&);
};
constexpr Family kFamilies[] = {{"deepseek_v3", ModelFamily::kDeepseekV3, 1, ReadDeepseek},
                                {"deepseek_v2", ModelFamily::kDeepseekV2, 0, ReadDeepseek},
                                {"llama", ModelFamily::kLlama, 0, ReadLlama},
                                {"qwen2", ModelFamily::kQwen2, 0, ReadLlama}};

const Family* FindFamily(const std::string& model_type) {
  for (const Family& family : kFamilies)
    if (model_type == family.model_type) return &family;
  return nullptr;
}

std::string FamilyNames() {
  std::string names;
  for (const Family& family : kFamilies)
    names += fmt::format("{}{}", names.empty() ? "" : ", ", family.model_type);
  return names;
}

void ReadTokenIds(FieldReader& fields, ModelConfig& config) {
  const int64_t last = config.vocab_size - 1;
  config.bos_token_id = fields.Int("bos_token_id", 0, last);
  const json* eos = fields.Find("eos_token_id");
  if (eos != nullptr && eos->is_array()) {
    for (const json& item : *eos) {
      if (!item.is_number_integer() || item.get<int64_t>() < 0 || item.get<int64_t>() > last) {
        fields.Fail(
            InvalidArgument("{}: field eos_token_id contains {}; integers in [0, {}] are needed",
                            fields.origin(), Show(item), last));
        return;
      }
      config.eos_token_ids.push_back(static_cast<int>(item.get<int64_t>()));
    }
    if (config.eos_token_ids.empty()) {
      fields.Fail(InvalidArgument(
          "{}: field eos_token_id is an empty list; at least one id is needed", fields.origin()));
      return;
    }
  } else {
    config.eos_token_ids.push_back(fields.Int("eos_token_id", 0, last));
  }
  config.eos_token_id = config.eos_token_ids.front();
}

void ReadQuantization(FieldReader& fields, ModelConfig& config) {
  const json* quantization = fields.Find("quantization_config");
  if (quantization == nullptr) return;
  if (!quantization->is_object()) {
    fields.Fail(InvalidArgument("{}: field quantization_config is {}; null or an object is needed",
                                fields.origin(), Show(*quantization)));
    return;
  }
  FieldReader quant(*quantization, fields.origin() + ": quantization_config");
  quant.ExpectString("quant_method", "fp8", "no other quantisation is supported", true);
  quant.ExpectString("fmt", "e4m3", "no other FP8 format is supported", false);
  quant.ExpectString("activation_scheme", "dynamic", "static activation scales are not supported",
                     false);
  const json* block = quant.Find("weight_block_size");
  if (block == nullptr || *block != json::array({128, 128})) {
    quant.Fail(InvalidArgument("{}: weight_block_size is {}; [128, 128] is needed", quant.origin(),
                               block == nullptr ? "missing" : Show(*block)));
  }
  fields.Fail(quant.status());
  config.fp8_block = 128;
}

}  // namespace

absl::StatusOr<ModelConfig> ParseModelConfig(const std::string& json_text,
                                             const std::string& origin) {
  ASSIGN_OR_RETURN(json document, ParseJson(json_text, origin));
  if (!document.is_object()) return InvalidArgument("{}: the document is not an object", origin);
  FieldReader fields(document, origin);
  ModelConfig config;
  config.model_type = fields.String("model_type");
  RETURN_IF_ERROR(fields.status());
  const Family* family = FindFamily(config.model_type);
  if (family == nullptr) {
    return InvalidArgument("{}: model_type \"{}\" is not supported; supported: {}", origin,
                           Printable(config.model_type, 64), FamilyNames());
  }
  config.family = family->family;
  config.vocab_size = fields.Int("vocab_size", 1, 1 << 24);
  config.hidden_size = fields.Int("hidden_size", 1, kMaxWidth);
  config.num_layers = fields.Int("num_hidden_layers", 1, kMaxLayers);
  config.num_mtp_layers = fields.IntOr("num_nextn_predict_layers", 0, family->max_mtp_layers, 0);
  config.max_position_embeddings = fields.Int("max_position_embeddings", 1, kMaxTokens);
  config.rms_norm_eps = fields.Double("rms_norm_eps", 0, 1);
  config.tie_word_embeddings = fields.BoolOr("tie_word_embeddings", false);
  // Later checks compare these numbers, so they only make sense once they were read.
  RETURN_IF_ERROR(fields.status());
  ReadTokenIds(fields, config);
  family->read(fields, config);
  ReadRope(fields, config);
  ReadQuantization(fields, config);
  RETURN_IF_ERROR(fields.status());
  return config;
}

absl::StatusOr<ModelConfig> LoadModelConfig(const std::string& dir) {
  const std::string path = dir + "/config.json";
  ASSIGN_OR_RETURN(std::string text, ReadFile(path, kMaxFileBytes));
  return ParseModelConfig(text, path);
}

}  // namespace conclave
