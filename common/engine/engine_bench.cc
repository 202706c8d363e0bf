#include "common/engine/engine_bench.h"

#include <atomic>
#include <cmath>
#include <numeric>

#include "common/base/clock.h"
#include "common/engine/forward.h"
#include "common/engine/local_experts.h"
#include "common/engine/parallel.h"
#include "common/engine/weights.h"

namespace conclave {
namespace {

constexpr int64_t kReadBytes = 256 << 20;  // per pass, beyond every cache
constexpr int kPrefillChunk = 256;

// Calls `body` until `seconds` passed, at least once; units of work per second.
template <typename F>
double Rate(double seconds, double units, const F& body) {
  const SteadyTime start = Now();
  int rounds = 0;
  do {
    body();
    ++rounds;
  } while (SecondsSince(start) < seconds);
  return rounds * units / SecondsSince(start);
}

absl::StatusOr<double> ReadBandwidth(ThreadPool& pool, double seconds) {
  ASSIGN_OR_RETURN(const Buffer memory, Buffer::Create(kReadBytes));
  std::fill_n(memory.data(), memory.bytes(), 1);
  const int pieces = pool.threads() * 4;
  std::atomic<uint64_t> sink{0};
  return Rate(seconds, kReadBytes, [&] {
    pool.Run(pieces, [&](int piece) {
      const int64_t count = kReadBytes / 8 / pieces;
      const uint64_t* p = memory.As<uint64_t>() + piece * count;
      uint64_t sum[8] = {};
      for (int64_t i = 0; i + 8 <= count; i += 8)
        for (int j = 0; j < 8; ++j) sum[j] += p[i + j];
      sink += std::accumulate(sum, sum + 8, uint64_t{0});
    });
  });
}

double MacRate(ThreadPool& pool, double seconds) {
  constexpr int kRows = 64, kN = 64, kK = 256;  // weights 64 KiB, rows 64 KiB
  std::vector<float> x(kRows * kK, 0.5f);
  const auto weights = Buffer::Create(kN * kK * 4);
  if (!weights.ok()) return 0;
  kernels::PackedMatrix m{
      .type = kernels::WeightType::kF32, .n = kN, .k = kK, .data = weights->data()};
  std::vector<std::vector<float>> out(pool.threads(), std::vector<float>(kRows * kN));
  constexpr int kRounds = 50;
  return Rate(seconds, static_cast<double>(pool.threads()) * kRounds * kRows * kN * kK, [&] {
    pool.Run(pool.threads(), [&](int task) {
      for (int i = 0; i < kRounds; ++i)
        kernels::GemmPanels({m, x.data(), out[task].data(), kRows, kK, kN}, 0, m.panels(),
                            kernels::BestIsa());
    });
  });
}

// What one token needs, from the packed sizes.
struct Cost {
  double dense_bytes = 0, expert_bytes = 0,
         kv_bytes = 0;  // expert_bytes: all experts of all layers
  double macs = 0;
  double experts = 0, chosen = 0;

  static Cost Of(const Model& model) {
    const ModelConfig& c = model.config();
    Cost cost;
    cost.expert_bytes = static_cast<double>(model.experts()->resident_bytes());
    cost.dense_bytes =
        static_cast<double>(model.resident_bytes()) - cost.expert_bytes -
        static_cast<double>(c.tie_word_embeddings ? 0 : model.weights().embedding.rows.bytes());
    cost.kv_bytes = static_cast<double>(c.KvWidth()) * ActivationBytes(model.mode()) * c.num_layers;
    cost.experts = c.num_routed_experts;
    cost.chosen = c.num_experts_per_token;
    const double h = c.hidden_size, heads = c.num_heads,
                 head = c.qk_nope_head_dim + c.qk_rope_head_dim;
    const double attention = h * c.q_lora_rank + c.q_lora_rank * heads * head + h * c.KvWidth() +
                             heads * c.kv_lora_rank * (c.qk_nope_head_dim + c.v_head_dim) +
                             heads * c.v_head_dim * h;
    const int dense = std::min(c.first_k_dense_replace, c.num_layers);
    cost.macs = c.num_layers * attention + dense * 3 * h * c.intermediate_size + h * c.vocab_size +
                (c.num_layers - dense) * (h * c.num_routed_experts +
                                          3 * h * c.moe_intermediate_size *
                                              (c.num_experts_per_token + c.num_shared_experts));
    return cost;
  }
  // Distinct experts of a batch under uniform routing, as a share of all.
  double BytesPerToken(int batch, double context) const {
    const double touched = 1 - std::pow(1 - chosen / experts, batch);
    return (dense_bytes + expert_bytes * touched) / batch + kv_bytes * context;
  }
};

struct Sequences {
  std::vector<std::vector<int32_t>> pages;
  std::vector<TokenId> prompt;

  Sequences(int count, int tokens, int vocab) {
    const int per_sequence = (tokens + kPageTokens) / kPageTokens + 1;
    for (int s = 0; s < count; ++s) {
      pages.emplace_back(per_sequence);
      std::iota(pages.back().begin(), pages.back().end(), s * per_sequence);
    }
    for (int i = 0; i < tokens; ++i)
      prompt.push_back(static_cast<TokenId>((i * 7919 + 13) % vocab));
  }
};

}  // namespace

absl::StatusOr<EngineBenchReport> BenchEngine(const EngineBenchRequest& r) {
  ASSIGN_OR_RETURN(const auto model, Model::Load(r.dir, {.mode = r.mode, .mtp = false}));
  const ModelConfig& c = model->config();
  if (r.threads < 1 || r.context_tokens < 1 || r.context_tokens >= c.max_position_embeddings ||
      r.batches.empty()) {
    return InvalidArgument(
        "bench with {} threads, {} tokens of context and {} batch sizes; the model holds {} tokens",
        r.threads, r.context_tokens, r.batches.size(), c.max_position_embeddings);
  }
  int largest = 1;
  for (int batch : r.batches) {
    if (batch < 1 || batch > 1024)
      return InvalidArgument("bench with a batch of {}, must lie in 1..1024", batch);
    largest = std::max(largest, batch);
  }
  ThreadPool pool(r.threads);
  LocalExperts experts(model, pool);
  const Sequences sequences(largest, r.context_tokens, c.vocab_size);
  ASSIGN_OR_RETURN(
      const auto cache,
      KvCache::Create(c, r.mode, largest * static_cast<int>(sequences.pages[0].size())));
  Forward forward(model, *cache, pool, experts);

  EngineBenchReport report;
  report.isa = kernels::IsaName(kernels::BestIsa());
  report.load_seconds = model->load_seconds();
  report.resident_bytes = model->resident_bytes();
  ASSIGN_OR_RETURN(report.read_bytes_per_s, ReadBandwidth(pool, r.seconds / 2));
  report.macs_per_s = MacRate(pool, r.seconds / 2);
  const Cost cost = Cost::Of(*model);
  const auto add = [&](std::string what, double rate, double bytes) {
    report.lines.push_back({std::move(what), rate, bytes, cost.macs,
                            rate * bytes / report.read_bytes_per_s,
                            rate * cost.macs / report.macs_per_s});
  };

  absl::Status status = absl::OkStatus();
  const auto prefill = [&](int sequence) {
    for (int start = 0; start < r.context_tokens && status.ok(); start += kPrefillChunk) {
      const int count = std::min(kPrefillChunk, r.context_tokens - start);
      const SequenceChunk chunk{.tokens = std::span(sequences.prompt).subspan(start, count),
                                .start = start,
                                .pages = sequences.pages[sequence]};
      status = forward.Step({&chunk, 1}, {}).status();
    }
  };
  for (int s = 1; s < largest; ++s) prefill(s);
  const double prefill_rate = Rate(r.seconds, r.context_tokens, [&] { prefill(0); });
  RETURN_IF_ERROR(status);
  const int chunk = std::min(kPrefillChunk, r.context_tokens);
  add("prefill", prefill_rate, cost.BytesPerToken(chunk, 0));
  for (int batch : r.batches) {
    std::vector<SequenceChunk> chunks;
    for (int s = 0; s < batch; ++s) {
      chunks.push_back({.tokens = {&sequences.prompt[s % sequences.prompt.size()], 1},
                        .start = r.context_tokens,
                        .pages = sequences.pages[s]});
    }
    const double rate = Rate(r.seconds, batch, [&] {
      if (status.ok()) status = forward.Step(chunks, {}).status();
    });
    RETURN_IF_ERROR(status);
    add(fmt::format("decode, batch {}", batch), rate, cost.BytesPerToken(batch, r.context_tokens));
  }
  return report;
}

}  // namespace conclave
