#include "common/engine/verify_run.h"

#include <cstring>
#include <numeric>

#include "common/engine/local_experts.h"
#include "common/engine/weights.h"
#include "kernels/quant/bf16.h"

namespace conclave {
namespace {

// Runs a sequence through a cache of its own.
struct Runner {
  std::shared_ptr<const Model> model;
  ThreadPool& pool;
  LocalExperts experts;
  std::unique_ptr<KvCache> cache;
  std::vector<int32_t> pages;
  std::unique_ptr<Forward> forward;

  static absl::StatusOr<std::unique_ptr<Runner>> Create(std::shared_ptr<const Model> model,
                                                        ThreadPool& pool, int tokens,
                                                        KvFormat format) {
    auto runner = std::unique_ptr<Runner>(
        new Runner{model, pool, LocalExperts(model, pool), nullptr, {}, nullptr});
    const int pages = (tokens + kPageTokens - 1) / kPageTokens;
    ASSIGN_OR_RETURN(runner->cache, KvCache::Create(model->config(), model->mode(), pages, format));
    runner->pages.resize(pages);
    std::iota(runner->pages.rbegin(), runner->pages.rend(), 0);  // not in order, as in serving
    runner->forward = std::make_unique<Forward>(model, *runner->cache, pool, runner->experts);
    return runner;
  }

  SequenceChunk Chunk(std::span<const TokenId> tokens, int start, RowKind kind) const {
    return {.tokens = tokens, .start = start, .pages = pages, .kind = kind, .all_logits = true};
  }
  absl::StatusOr<StepResult> Step(std::span<const TokenId> tokens, int start, RowKind kind,
                                  ForwardTrace* trace = nullptr) {
    const SequenceChunk chunk = Chunk(tokens, start, kind);
    return forward->Step({&chunk, 1}, {.trace = trace});
  }
  std::vector<float> ReadKv(int layer, int tokens) const {
    const int width = cache->width();
    const ModelConfig& c = model->config();
    const auto& gain = model->weights().layers[layer].attention.kv_a_norm;
    std::vector<float> values(static_cast<size_t>(tokens) * width);
    for (int t = 0; t < tokens; ++t) {
      const uint8_t* entry =
          cache->PageLayer(pages[t / kPageTokens], layer) + t % kPageTokens * cache->TokenBytes();
      float* out = &values[static_cast<size_t>(t) * width];
      if (c.IsMla()) {
        kernels::MlaDecodeToken(cache->latent_shape(), entry, out, gain.data());
      } else if (UsesBf16(model->mode())) {
        kernels::DecodeBf16Row(reinterpret_cast<const uint16_t*>(entry), width, out);
      } else {
        std::memcpy(out, entry, sizeof(float) * width);
      }
    }
    return values;
  }
};

void Append(const StepResult& part, StepResult* all) {
  all->rows += part.rows;
  all->logits.insert(all->logits.end(), part.logits.begin(), part.logits.end());
  all->hidden.insert(all->hidden.end(), part.hidden.begin(), part.hidden.end());
}

}  // namespace

absl::StatusOr<VerifyRun> RunForVerify(const VerifyRequest& request, const Golden& golden,
                                       std::optional<ComputeMode> weights) {
  VerifyRun run;
  ASSIGN_OR_RETURN(run.model, Model::Load(request.dir, {.mode = request.mode,
                                                        .weights = weights,
                                                        .threads = request.threads,
                                                        .progress = request.load_progress}));
  ASSIGN_OR_RETURN(const auto prompt, golden.Integers("input_ids"));
  ASSIGN_OR_RETURN(const auto greedy, golden.Integers("greedy_tokens"));
  if (prompt.empty() || greedy.empty())
    return InvalidArgument("{}: golden prompt or greedy tokens are empty", request.dir);
  run.prompt.assign(prompt.begin(), prompt.end());
  run.greedy.assign(greedy.begin(), greedy.end());
  const int tokens = static_cast<int>(run.prompt.size());
  const int total = tokens + static_cast<int>(run.greedy.size());
  ThreadPool pool(request.threads);

  ASSIGN_OR_RETURN(const auto whole, Runner::Create(run.model, pool, total, request.kv_format));
  ASSIGN_OR_RETURN(run.one_pass, whole->Step(run.prompt, 0, RowKind::kPrompt, &run.trace));
  for (int layer = 0; layer < run.model->config().num_layers; ++layer)
    run.kv.push_back(whole->ReadKv(layer, tokens));

  ASSIGN_OR_RETURN(const auto pieces, Runner::Create(run.model, pool, total, request.kv_format));
  for (int start = 0; start < tokens; start += request.chunk_tokens) {
    const int count = std::min(request.chunk_tokens, tokens - start);
    ASSIGN_OR_RETURN(
        const StepResult part,
        pieces->Step(std::span(run.prompt).subspan(start, count), start, RowKind::kPrompt));
    Append(part, &run.in_chunks);
  }

  // The logits that choose greedy token i come from the prompt's last row, then from token i - 1.
  const size_t vocab = run.model->config().vocab_size, hidden = run.model->config().hidden_size;
  run.decoded.rows = 1;
  run.decoded.logits.assign(run.in_chunks.logits.end() - vocab, run.in_chunks.logits.end());
  run.decoded.hidden.assign(run.in_chunks.hidden.end() - hidden, run.in_chunks.hidden.end());
  for (size_t i = 0; i + 1 < run.greedy.size(); ++i) {
    ASSIGN_OR_RETURN(
        const StepResult step,
        pieces->Step({&run.greedy[i], 1}, tokens + static_cast<int>(i), RowKind::kGenerated));
    Append(step, &run.decoded);
  }

  if (run.model->has_mtp() && golden.Has("mtp.input_ids")) {
    ASSIGN_OR_RETURN(const auto ids, golden.Integers("mtp.input_ids", {tokens}));
    const std::vector<TokenId> next(ids.begin(), ids.end());
    ASSIGN_OR_RETURN(run.mtp,
                     whole->forward->MtpStep(whole->Chunk(next, 0, RowKind::kPrompt),
                                             run.one_pass.hidden, {.trace = &run.mtp_trace}));
    run.kv.push_back(whole->ReadKv(run.model->config().num_layers, tokens));
  }
  return run;
}

}  // namespace conclave
