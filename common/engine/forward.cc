#include "common/engine/forward.h"

#include <cmath>

#include "common/engine/elementwise.h"
#include "common/engine/step.h"
#include "kernels/norm/rmsnorm.h"
#include "kernels/rope/rope.h"

namespace conclave {

struct Forward::Impl {
  std::shared_ptr<const Model> model;
  KvCache& cache;
  ThreadPool& pool;
  ExpertBackend& experts;
  const kernels::Isa isa = kernels::BestIsa();
  std::vector<float> inv_freq;  // [rope / 2]
  float rope_gain = 1;
  float softmax_scale = 1;
  StepRows rows;
  Activations a;
  StepResult spare;  // memory for the next result

  const ModelConfig& config() const { return model->config(); }
  void InitRope();
  absl::Status Validate(std::span<const SequenceChunk> chunks) const;
  void PlaceRows(std::span<const SequenceChunk> chunks);
  StepContext Context(const StepOptions& options) {
    return {config(), model->mode(), isa, softmax_scale, cache, pool, experts, a, rows, options};
  }
  absl::Status RunLayer(const StepContext& ctx, int layer, int trace_slot, float* x);
  StepResult Logits(const StepContext& ctx, const std::vector<int>& wanted,
                    const std::vector<float>& norm_weight, const Linear& head, const float* x);
};

void Forward::Impl::InitRope() {
  const ModelConfig& c = config();
  const int dim = c.RopeDim();
  inv_freq.resize(dim / 2);
  const int score_channels = c.IsMla() ? c.qk_nope_head_dim + dim : c.head_dim;
  double scale = 1 / std::sqrt(static_cast<double>(score_channels));
  if (c.llama3) {
    kernels::Llama3RopeFrequencies(
        dim, c.rope_theta,
        {c.llama3->factor, c.llama3->low_freq_factor, c.llama3->high_freq_factor,
         static_cast<double>(c.llama3->original_max_position_embeddings)},
        inv_freq.data());
  } else if (c.yarn) {
    const kernels::RopeScaling scaling{
        c.yarn->factor, c.yarn->beta_fast, c.yarn->beta_slow,
        static_cast<double>(c.yarn->original_max_position_embeddings)};
    const double all = kernels::YarnMscale(c.yarn->factor, c.yarn->mscale_all_dim);
    rope_gain = static_cast<float>(kernels::YarnMscale(c.yarn->factor, c.yarn->mscale) / all);
    scale *= all * all;
    kernels::RopeFrequencies(dim, c.rope_theta, scaling, inv_freq.data());
  } else {
    kernels::RopeFrequencies(dim, c.rope_theta, {}, inv_freq.data());
  }
  softmax_scale = static_cast<float>(scale);
}

absl::Status Forward::Impl::Validate(std::span<const SequenceChunk> chunks) const {
  const ModelConfig& c = config();
  if (!model->has_attention())
    return FailedPrecondition("the model was loaded without attention weights");
  const int64_t token_bytes = KvCache::TokenBytesOf(c, model->mode(), cache.format());
  if (cache.layers() != c.TotalLayers() || cache.TokenBytes() != token_bytes) {
    return FailedPrecondition(
        "the KV cache has {} layers of {} bytes per token, the model needs {} of {}",
        cache.layers(), cache.TokenBytes(), c.TotalLayers(), token_bytes);
  }
  if (chunks.empty()) return InvalidArgument("a step without sequences");
  for (size_t i = 0; i < chunks.size(); ++i) {
    const SequenceChunk& chunk = chunks[i];
    const int64_t end = chunk.start + static_cast<int64_t>(chunk.tokens.size());
    if (chunk.tokens.empty()) return InvalidArgument("sequence {} of the step has no tokens", i);
    if (chunk.start < 0 || end > c.max_position_embeddings) {
      return InvalidArgument("sequence {}: positions {}..{} lie outside the context of {} tokens",
                             i, chunk.start, end - 1, c.max_position_embeddings);
    }
    for (size_t t = 0; t < chunk.tokens.size(); ++t) {
      if (chunk.tokens[t] < 0 || chunk.tokens[t] >= c.vocab_size) {
        return InvalidArgument(
            "sequence {}: token {} at position {} lies outside the vocabulary of {}", i,
            chunk.tokens[t], chunk.start + static_cast<int64_t>(t), c.vocab_size);
      }
    }
    const int64_t needed = (end + kPageTokens - 1) / kPageTokens;
    if (static_cast<int64_t>(chunk.pages.size()) < needed) {
      return InvalidArgument("sequence {}: {} KV pages for {} tokens, {} are needed", i,
                             chunk.pages.size(), end, needed);
    }
    for (int64_t p = 0; p < needed; ++p) {
      if (chunk.pages[p] < 0 || chunk.pages[p] >= cache.pages()) {
        return InvalidArgument("sequence {}: page {} lies outside the cache of {} pages", i,
                               chunk.pages[p], cache.pages());
      }
    }
  }
  return absl::OkStatus();
}

void Forward::Impl::PlaceRows(std::span<const SequenceChunk> chunks) {
  const int half = config().RopeDim() / 2;
  rows.count = 0;
  rows.half = half;
  rows.position.clear();
  rows.pages.clear();
  rows.runs.clear();
  for (const SequenceChunk& chunk : chunks) {
    const int begin = static_cast<int>(rows.position.size());
    const int count = static_cast<int>(chunk.tokens.size());
    if (chunk.kind == RowKind::kGenerated && !rows.runs.empty() &&
        rows.runs.back().kind == RowKind::kGenerated) {
      rows.runs.back().count += count;
    } else {
      rows.runs.push_back({begin, count, chunk.kind});
    }
    for (size_t t = 0; t < chunk.tokens.size(); ++t) {
      rows.position.push_back(chunk.start + static_cast<int64_t>(t));
      rows.pages.push_back(chunk.pages.data());
    }
  }
  rows.count = static_cast<int>(rows.position.size());
  rows.cos.resize(static_cast<size_t>(rows.count) * half);
  rows.sin.resize(static_cast<size_t>(rows.count) * half);
  for (int row = 0; row < rows.count; ++row) {
    kernels::RopeAngles(rows.position[row], inv_freq.data(), half, rope_gain, &rows.cos[row * half],
                        &rows.sin[row * half]);
  }
}

absl::Status Forward::Impl::RunLayer(const StepContext& ctx, int layer, int trace_slot, float* x) {
  if (ctx.options.deadline != SteadyTime::max() && Now() >= ctx.options.deadline) {
    return DeadlineExceeded("deadline passed before layer {} of a step of {} rows", layer,
                            ctx.rows.count);
  }
  const LayerWeights& w = model->weights().layers[layer];
  if (config().IsMla()) {
    AttentionBlock(ctx, layer, w.attention, x);
  } else {
    GqaBlock(ctx, layer, w.gqa, x);
  }
  return FfnBlock(ctx, layer, trace_slot, w, x);
}

StepResult Forward::Impl::Logits(const StepContext& ctx, const std::vector<int>& wanted,
                                 const std::vector<float>& norm_weight, const Linear& head,
                                 const float* x) {
  const int64_t hidden = config().hidden_size;
  StepResult result = std::move(spare);
  spare = {};
  result.rows = static_cast<int>(wanted.size());
  result.hidden.resize(result.rows * hidden);
  result.logits.resize(static_cast<int64_t>(result.rows) * config().vocab_size);
  ForRows(ctx, result.rows, 0.3 * static_cast<double>(hidden), [&](int64_t i) {
    kernels::RmsNorm({.rows = 1,
                      .width = config().hidden_size,
                      .eps = static_cast<float>(config().rms_norm_eps),
                      .x = x + wanted[i] * hidden,
                      .x_stride = hidden,
                      .weight = norm_weight.data(),
                      .out = &result.hidden[i * hidden],
                      .out_stride = hidden});
  });
  float* operands = a.norm.Get(result.rows * hidden);
  std::copy(result.hidden.begin(), result.hidden.end(), operands);
  RoundOperands(ctx, operands, result.rows * hidden);
  RunGemms(pool, isa,
           std::initializer_list<kernels::GemmParams>{
               DenseGemm(head, operands, result.logits.data(), result.rows)});
  return result;
}

Forward::Forward(std::shared_ptr<const Model> model, KvCache& cache, ThreadPool& pool,
                 ExpertBackend& experts)
    : impl_(new Impl{.model = std::move(model), .cache = cache, .pool = pool, .experts = experts}) {
  impl_->InitRope();
}
Forward::~Forward() = default;

void Forward::Recycle(StepResult&& result) { impl_->spare = std::move(result); }

namespace {

void StartTrace(ForwardTrace* trace, int hidden, int routers) {
  if (trace == nullptr) return;
  *trace = {};
  trace->hidden.resize(hidden);
  trace->router_logits.resize(routers);
  trace->topk_idx.resize(routers);
  trace->topk_weight.resize(routers);
}

}  // namespace

absl::StatusOr<StepResult> Forward::Step(std::span<const SequenceChunk> chunks,
                                         const StepOptions& options) {
  Impl& s = *impl_;
  RETURN_IF_ERROR(s.Validate(chunks));
  s.PlaceRows(chunks);
  const StepContext ctx = s.Context(options);
  const ModelConfig& c = s.config();
  const ModelWeights& w = s.model->weights();
  ForwardTrace* trace = options.trace;
  StartTrace(trace, c.num_layers + 1, c.num_layers);

  const int64_t hidden = c.hidden_size, values = s.rows.count * hidden;
  float* x = s.a.x.Get(values);
  std::vector<int> wanted;
  int row = 0;
  for (const SequenceChunk& chunk : chunks) {
    for (size_t t = 0; t < chunk.tokens.size(); ++t, ++row) {
      w.embedding.Read(chunk.tokens[t], x + row * hidden);
      if (chunk.want_logits && (chunk.all_logits || t + 1 == chunk.tokens.size()))
        wanted.push_back(row);
    }
  }
  if (trace) trace->hidden[0].assign(x, x + values);
  for (int layer = 0; layer < c.num_layers; ++layer) {
    RETURN_IF_ERROR(s.RunLayer(ctx, layer, layer, x));
    if (trace) trace->hidden[layer + 1].assign(x, x + values);
  }
  if (trace) {
    trace->final_norm.resize(values);
    kernels::RmsNorm({.rows = s.rows.count,
                      .width = c.hidden_size,
                      .eps = static_cast<float>(c.rms_norm_eps),
                      .x = x,
                      .x_stride = hidden,
                      .weight = w.final_norm.data(),
                      .out = trace->final_norm.data(),
                      .out_stride = hidden});
  }
  return s.Logits(ctx, wanted, w.final_norm, w.head, x);
}

absl::StatusOr<StepResult> Forward::MtpStep(const SequenceChunk& chunk,
                                            std::span<const float> hidden_in,
                                            const StepOptions& options) {
  Impl& s = *impl_;
  const ModelConfig& c = s.config();
  if (!s.model->has_mtp()) return FailedPrecondition("the model was loaded without an MTP layer");
  RETURN_IF_ERROR(s.Validate({&chunk, 1}));
  const int64_t hidden = c.hidden_size, rows = static_cast<int64_t>(chunk.tokens.size());
  if (static_cast<int64_t>(hidden_in.size()) != rows * hidden) {
    return InvalidArgument("{} hidden values for {} tokens, {} are needed", hidden_in.size(), rows,
                           rows * hidden);
  }
  s.PlaceRows({&chunk, 1});
  const StepContext ctx = s.Context(options);
  const ModelWeights& w = s.model->weights();
  const MtpWeights& mtp = *w.mtp;
  const Embedding& embedding = mtp.embedding ? *mtp.embedding : w.embedding;
  ForwardTrace* trace = options.trace;
  StartTrace(trace, 2, 1);

  float* joined = s.a.heads.Get(rows * 2 * hidden);  // [rows, embedding | hidden]
  const auto norm = [&](const std::vector<float>& weight, const float* from, float* to) {
    kernels::RmsNorm({.rows = 1,
                      .width = c.hidden_size,
                      .eps = static_cast<float>(c.rms_norm_eps),
                      .x = from,
                      .x_stride = hidden,
                      .weight = weight.data(),
                      .out = to,
                      .out_stride = hidden});
  };
  for (int64_t row = 0; row < rows; ++row) {
    float* to = joined + row * 2 * hidden;
    embedding.Read(chunk.tokens[row], to);
    norm(mtp.embed_norm, to, to);
    norm(mtp.hidden_norm, &hidden_in[row * hidden], to + hidden);
  }
  RoundOperands(ctx, joined, rows * 2 * hidden);
  float* x = s.a.x.Get(rows * hidden);
  RunGemms(s.pool, s.isa,
           std::initializer_list<kernels::GemmParams>{
               DenseGemm(mtp.eh_proj, joined, x, static_cast<int>(rows))});
  if (trace) trace->hidden[0].assign(x, x + rows * hidden);
  RETURN_IF_ERROR(s.RunLayer(ctx, c.num_layers, 0, x));
  if (trace) trace->hidden[1].assign(x, x + rows * hidden);
  std::vector<int> wanted(rows);
  for (int64_t row = 0; row < rows; ++row) wanted[row] = static_cast<int>(row);
  StepResult result = s.Logits(ctx, wanted, mtp.head_norm, mtp.head ? *mtp.head : w.head, x);
  if (trace) trace->final_norm = result.hidden;
  return result;
}

}  // namespace conclave
