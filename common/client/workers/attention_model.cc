#include "common/client/workers/attention_model.h"

#include <algorithm>
#include <filesystem>

#include "common/base/log.h"
#include "common/model/tokenizer.h"

namespace conclave {

absl::StatusOr<AttentionModel> LoadAttentionModel(const WorkerConfig& config,
                                                  std::shared_ptr<const Model> loaded) {
  AttentionModel result{.model = std::move(loaded)};
  if (result.model == nullptr) {
    const LoadOptions options{.mode = config.compute_mode(),
                              .attention = true,
                              .experts = false,
                              .mtp = false,
                              .threads = config.threads,
                              .progress = config.load_progress()};
    ASSIGN_OR_RETURN(result.model, Model::Load(config.model_dir, options));
    LogInfo("model loaded", {{"model", config.model_dir},
                             {"mode", config.mode},
                             {"resident_bytes", result.model->resident_bytes()},
                             {"seconds", result.model->load_seconds()}});
  } else if (result.model->mode() != config.compute_mode()) {
    return InvalidArgument("the model was loaded in mode {}, the worker is configured for {}",
                           ComputeModeName(result.model->mode()), config.mode);
  }
  result.usable_vocab = result.model->config().vocab_size;
  std::error_code error;
  if (!config.model_dir.empty() &&
      std::filesystem::exists(std::filesystem::path(config.model_dir) / "tokenizer.json", error)) {
    ASSIGN_OR_RETURN(const std::unique_ptr<Tokenizer> tokenizer, Tokenizer::Load(config.model_dir));
    result.usable_vocab = std::min(result.usable_vocab, tokenizer->VocabSize());
  }
  return result;
}

}  // namespace conclave
