#include "common/engine/model.h"

#include <functional>

#include "common/base/clock.h"
#include "common/concurrency/run_tasks.h"
#include "common/engine/fingerprint.h"
#include "common/engine/load_layers.h"
#include "common/engine/load_plan.h"
#include "common/engine/weight_loader.h"

namespace conclave {
namespace {

int64_t LayerBytes(const LayerWeights& w) {
  const AttentionWeights& a = w.attention;
  const GqaWeights& g = w.gqa;
  int64_t bytes = a.q_a.Bytes() + a.q_b.Bytes() + a.kv_a.Bytes() + a.o.Bytes() + w.router.Bytes() +
                  w.ffn.Bytes() + g.q.Bytes() + g.k.Bytes() + g.v.Bytes() + g.o.Bytes();
  for (const Linear& head : a.uk) bytes += head.Bytes();
  for (const Linear& head : a.uv) bytes += head.Bytes();
  for (const Linear& head : a.k_up) bytes += head.Bytes();
  bytes += 4 * (a.input_norm.size() + a.q_a_norm.size() + a.kv_a_norm.size() + w.post_norm.size() +
                w.router_bias.size() + g.input_norm.size() + g.q_bias.size() + g.k_bias.size() +
                g.v_bias.size());
  return bytes;
}

int64_t WeightBytes(const ModelWeights& w) {
  int64_t bytes = w.embedding.rows.bytes() + w.head.Bytes() + 4 * w.final_norm.size();
  for (const LayerWeights& layer : w.layers) bytes += LayerBytes(layer);
  if (w.mtp) {
    bytes += w.mtp->eh_proj.Bytes() + 12 * w.mtp->head_norm.size();
    if (w.mtp->embedding) bytes += w.mtp->embedding->rows.bytes();
    if (w.mtp->head) bytes += w.mtp->head->Bytes();
  }
  return bytes;
}

// What lies outside of layers.
absl::Status LoadOutside(const WeightLoader& loader, const ModelConfig& c, ComputeMode mode,
                         ModelWeights* w) {
  if (c.tie_word_embeddings) {
    // What is looked up stays as stored; int8 pays enough for a second copy.
    const bool requantised = mode == ComputeMode::kInt8;
    ASSIGN_OR_RETURN(w->head, loader.LoadLinear("model.embed_tokens", c.vocab_size, c.hidden_size,
                                                requantised ? WeightLoader::Precision::kMode
                                                            : WeightLoader::Precision::kExact));
    if (requantised) {
      ASSIGN_OR_RETURN(w->embedding, loader.LoadEmbedding("model.embed_tokens.weight"));
    } else {
      w->embedding.width = c.hidden_size;
      w->embedding.packed = &w->head;
    }
  } else {
    ASSIGN_OR_RETURN(w->embedding, loader.LoadEmbedding("model.embed_tokens.weight"));
    ASSIGN_OR_RETURN(w->head, loader.LoadLinear("lm_head", c.vocab_size, c.hidden_size));
  }
  ASSIGN_OR_RETURN(w->final_norm, loader.LoadVector("model.norm.weight", c.hidden_size));
  return absl::OkStatus();
}

absl::Status LoadLayer(const WeightLoader& loader, const ModelConfig& c, int layer,
                       LayerWeights* w) {
  ASSIGN_OR_RETURN(
      *w, c.IsMla() ? LoadDeepseekLayer(loader, c, layer) : LoadLlamaLayer(loader, c, layer));
  return absl::OkStatus();
}

}  // namespace

Model::Model() = default;
Model::~Model() = default;

absl::StatusOr<std::shared_ptr<const Model>> Model::Load(const std::string& dir,
                                                         const LoadOptions& options) {
  ASSIGN_OR_RETURN(const ModelConfig config, LoadModelConfig(dir));
  ASSIGN_OR_RETURN(std::shared_ptr<const Checkpoint> checkpoint, Checkpoint::Open(dir));
  ASSIGN_OR_RETURN(const uint64_t fingerprint, ModelFingerprint(dir, *checkpoint, options.mode));
  return Load(std::move(checkpoint), config, fingerprint, options);
}

absl::StatusOr<std::shared_ptr<const Model>> Model::Load(
    std::shared_ptr<const Checkpoint> checkpoint, const ModelConfig& config, uint64_t fingerprint,
    const LoadOptions& options) {
  const SteadyTime start = Now();
  const ComputeMode weights = options.weights.value_or(options.mode);
  std::shared_ptr<Model> model(new Model());
  model->experts_ = ExpertStore::Create(checkpoint, config, fingerprint, options.mode, weights);
  ExpertStore& store = *model->experts_;
  const ModelConfig& c = model->config_ = config;
  model->mode_ = options.mode;
  model->fingerprint_ = fingerprint;
  model->weights_ = std::make_unique<ModelWeights>();
  model->has_attention_ = options.attention;
  model->has_mtp_ = options.attention && options.mtp && c.num_mtp_layers > 0;

  const bool mtp = options.mtp && c.num_mtp_layers > 0;
  const int layers = c.num_layers + (mtp ? c.num_mtp_layers : 0);
  LoadPlan plan(*checkpoint, c, {options.attention, options.experts, layers}, options.progress);
  const WeightLoader loader(*checkpoint, c, weights);
  ModelWeights& w = *model->weights_;
  std::vector<std::function<absl::Status()>> parts;
  if (options.attention) {
    if (mtp) {
      // Before anything gives its pages back: this compares tensors.
      ASSIGN_OR_RETURN(w.mtp, LoadMtp(loader, c));
    }
    w.layers.resize(layers);
    parts.push_back([&] {
      RETURN_IF_ERROR(LoadOutside(loader, c, weights, &w));
      plan.DoneOutside();
      return absl::OkStatus();
    });
    for (int layer = 0; layer < layers; ++layer) {
      parts.push_back([&, layer] {
        RETURN_IF_ERROR(LoadLayer(loader, c, layer, &w.layers[layer]));
        plan.DoneLayer(layer);
        return absl::OkStatus();
      });
    }
  }
  for (int layer = 0; options.experts && layer < layers; ++layer) {
    for (int expert = 0; c.IsMoeLayer(layer) && expert < c.num_routed_experts; ++expert) {
      parts.push_back([&, layer, expert] {
        RETURN_IF_ERROR(store.Load(layer, expert));
        plan.DoneExpert(layer);
        return absl::OkStatus();
      });
    }
  }
  RETURN_IF_ERROR(RunTasks(options.threads, static_cast<int>(parts.size()),
                           [&](int part) { return parts[part](); }));
  if (options.attention) model->resident_bytes_ = WeightBytes(w);
  model->load_seconds_ = SecondsSince(start);
  return model;
}

}  // namespace conclave
