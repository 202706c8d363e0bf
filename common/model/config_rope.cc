#include "common/model/config_parts.h"

namespace conclave {
namespace {

using nlohmann::json;

void ReadYarn(FieldReader& fields, ModelConfig& config) {
  YarnScaling yarn;
  yarn.factor = fields.Double("factor", 1, 1e6);
  yarn.beta_fast = fields.DoubleOr("beta_fast", 1e-6, 1e6, yarn.beta_fast);
  yarn.beta_slow = fields.DoubleOr("beta_slow", 1e-6, 1e6, yarn.beta_slow);
  yarn.mscale = fields.DoubleOr("mscale", 0, 100, yarn.mscale);
  yarn.mscale_all_dim = fields.DoubleOr("mscale_all_dim", 0, 100, yarn.mscale_all_dim);
  yarn.original_max_position_embeddings =
      fields.Int("original_max_position_embeddings", 1, kMaxTokens);
  if (yarn.beta_fast < yarn.beta_slow) {
    fields.Fail(InvalidArgument("{}: beta_fast {} is below beta_slow {}", fields.origin(),
                                yarn.beta_fast, yarn.beta_slow));
  }
  config.yarn = yarn;
}

void ReadLlama3(FieldReader& fields, ModelConfig& config) {
  Llama3Scaling llama3;
  llama3.factor = fields.Double("factor", 1, 1e6);
  llama3.low_freq_factor = fields.Double("low_freq_factor", 1e-6, 1e6);
  llama3.high_freq_factor = fields.Double("high_freq_factor", 1e-6, 1e6);
  llama3.original_max_position_embeddings =
      fields.Int("original_max_position_embeddings", 1, kMaxTokens);
  if (fields.status().ok() && llama3.high_freq_factor <= llama3.low_freq_factor) {
    fields.Fail(InvalidArgument("{}: high_freq_factor {} is not above low_freq_factor {}",
                                fields.origin(), llama3.high_freq_factor, llama3.low_freq_factor));
  }
  config.llama3 = llama3;
}

void ReadScaling(FieldReader& fields, ModelConfig& config) {
  const char* name = fields.Has("rope_type") ? "rope_type" : "type";
  const std::string type = fields.String(name);
  if (type != "default") {
    fields.ExpectString(name, config.IsMla() ? "yarn" : "llama3",
                        "no other rope scaling is supported for this family", true);
  }
  fields.ExpectString("type", type, "type and rope_type must agree", false);
  if (!fields.status().ok() || type == "default") return;
  config.IsMla() ? ReadYarn(fields, config) : ReadLlama3(fields, config);
}

}  // namespace

void ReadRope(FieldReader& fields, ModelConfig& config) {
  // Older llama checkpoints leave the base out.
  config.rope_theta = config.family == ModelFamily::kLlama
                          ? fields.DoubleOr("rope_theta", 1, 1e12, 10000)
                          : fields.Double("rope_theta", 1, 1e12);
  if (fields.Has("rope_parameters")) {
    fields.Fail(
        InvalidArgument("{}: rope_parameters is not supported; write rope_theta and rope_scaling",
                        fields.origin()));
  }
  const json* scaling = fields.Find("rope_scaling");
  if (scaling == nullptr) return;
  if (!scaling->is_object()) {
    fields.Fail(InvalidArgument("{}: field rope_scaling is {}; null or an object is needed",
                                fields.origin(), Show(*scaling)));
    return;
  }
  FieldReader scaling_fields(*scaling, fields.origin() + ": rope_scaling");
  ReadScaling(scaling_fields, config);
  fields.Fail(scaling_fields.status());
}

}  // namespace conclave
