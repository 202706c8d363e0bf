#include <ostream>

#include "services/cli/commands/inspect.h"
#include "services/cli/commands/inspect_report.h"

namespace conclave {
namespace {

std::string Count(int64_t count) {
  if (count < 1'000'000) return fmt::format("{:.1f} K", count / 1e3);
  return count < 1'000'000'000 ? fmt::format("{:.2f} M", count / 1e6)
                               : fmt::format("{:.2f} B", count / 1e9);
}

std::string Size(int64_t bytes) {
  constexpr double kKi = 1024;
  if (bytes == 0) return "-";
  if (bytes < 1 << 20) return fmt::format("{:.1f} KiB", bytes / kKi);
  return bytes < 1 << 30 ? fmt::format("{:.2f} MiB", bytes / kKi / kKi)
                         : fmt::format("{:.2f} GiB", bytes / kKi / kKi / kKi);
}

std::string_view RouterText(RouterKind kind) {
  switch (kind) {
    case RouterKind::kSigmoidBias:
      return "sigmoid with bias";
    case RouterKind::kSoftmaxGreedy:
      return "softmax";
    case RouterKind::kSoftmaxGroupLimited:
      return "softmax, group-limited";
  }
  return "?";
}

void Line(std::ostream& out, std::string_view label, const std::string& text) {
  out << fmt::format("{:<13} {}\n", label, text);
}

void PrintArchitecture(const ModelConfig& c, std::ostream& out) {
  std::string attention =
      c.IsMla() ? fmt::format("latent attention, {} heads, {} + {} rotary values a token",
                              c.num_heads, c.kv_lora_rank, c.qk_rope_head_dim)
                : fmt::format("grouped attention, {} heads of {} over {} key-value heads",
                              c.num_heads, c.head_dim, c.num_kv_heads);
  if (c.q_lora_rank > 0) attention += fmt::format(", query rank {}", c.q_lora_rank);
  if (c.qkv_bias) attention += ", biases";
  Line(out, "architecture", fmt::format("{}: {}", c.model_type, attention));
  std::string layers = fmt::format("{} of width {}", c.num_layers, c.hidden_size);
  if (c.HasExperts()) {
    layers += fmt::format(
        ", the first {} dense; {} experts of which {} a token ({}{}), {} shared",
        c.first_k_dense_replace, c.num_routed_experts, c.num_experts_per_token,
        RouterText(c.router),
        c.num_groups > 1 ? fmt::format(", {} of {} groups", c.topk_group, c.num_groups) : "",
        c.num_shared_experts);
  }
  if (c.num_mtp_layers > 0) layers += fmt::format("; {} MTP layer", c.num_mtp_layers);
  Line(out, "layers", layers);
  std::string context = fmt::format("{} tokens", c.max_position_embeddings);
  if (c.yarn) {
    context += fmt::format(" (YaRN, {:g} times {})", c.yarn->factor,
                           c.yarn->original_max_position_embeddings);
  } else if (c.llama3) {
    context += fmt::format(" (llama3 scaling, {:g} times {})", c.llama3->factor,
                           c.llama3->original_max_position_embeddings);
  }
  Line(out, "context", context);
}

void PrintParts(const InspectReport& report, std::ostream& out) {
  const ModelSize& size = report.size;
  out << fmt::format("\n{:<24} {:>12} {:>12}  {}\n", "part", "parameters", "stored", "by dtype");
  const auto row = [&out](const std::string& name, const PartSize& part) {
    if (part.parameters == 0 && part.bytes.empty()) return;
    std::string types;
    for (const auto& [type, bytes] : part.bytes)
      types += fmt::format("{}{} {}", types.empty() ? "" : ", ", TensorTypeName(type), Size(bytes));
    out << fmt::format("{:<24} {:>12} {:>12}  {}\n", name, Count(part.parameters),
                       Size(part.Bytes()), types);
  };
  for (int i = 0; i < ModelSize::kParts; ++i)
    row(std::string(ModelPartName(static_cast<ModelPart>(i))), size.main[i]);
  for (int i = 0; i < ModelSize::kParts; ++i)
    row(fmt::format("MTP {}", i == static_cast<int>(ModelPart::kMtpGlue)
                                  ? "embedding and head"
                                  : ModelPartName(static_cast<ModelPart>(i))),
        size.mtp[i]);
  out << fmt::format("{:<24} {:>12} {:>12}\n\n", "all",
                     Count(size.Parameters() + size.MtpParameters()), Size(size.Bytes()));
}

void PrintNeeds(const InspectReport& report, const InspectOptions& options, std::ostream& out) {
  const ModelConfig& c = report.config;
  const KvSize& kv = report.kv;
  std::string line = fmt::format("{} bytes in bf16, {} in f32", kv.bf16_bytes, kv.f32_bytes);
  if (kv.fp8_bytes > 0) line += fmt::format(", {} in fp8", kv.fp8_bytes);
  Line(out, "KV per token", line);
  Line(out, "",
       fmt::format("{} for one sequence of {} tokens in bf16",
                   Size(kv.bf16_bytes * c.max_position_embeddings), c.max_position_embeddings));
  const int64_t attention = report.size.AttentionBytes(), routed = report.size.RoutedBytes();
  Line(out, "prefill", fmt::format("{} of weights, and KV of its prefix cache", Size(attention)));
  Line(out, "decode", fmt::format("{} of weights, and KV of its sequences", Size(attention)));
  if (!c.HasExperts()) {
    Line(out, "expert host", "none: the model is dense");
    return;
  }
  std::string hosts;
  for (const int n :
       options.hosts > 0 ? std::vector<int>{options.hosts} : std::vector<int>{1, 2, 4, 8, 16, 32}) {
    if (n > c.num_routed_experts) break;
    hosts +=
        fmt::format("{}{} on each of {}", hosts.empty() ? "" : ", ", Size((routed + n - 1) / n), n);
  }
  Line(out, "expert host", hosts);
  Line(out, "", "one copy of every expert, weights as stored (modes f32, bf16 and w8a8)");
}

void PrintProblems(const InspectReport& report, const InspectOptions& options, std::ostream& out) {
  for (const std::string& error : report.errors) out << fmt::format("PROBLEM  {}\n", error);
  const auto line = [&out](const TensorProblem& problem, const std::string& name) {
    out << fmt::format("PROBLEM  {}: {}", TensorProblemName(problem.kind), name);
    if (!problem.found.empty()) out << fmt::format(" has {}", problem.found);
    if (!problem.expected.empty())
      out << fmt::format("{} the configuration needs {}", problem.found.empty() ? "," : ";",
                         problem.expected);
    out << "\n";
  };
  if (options.all) {
    for (const TensorProblem& problem : report.problems) line(problem, problem.name);
    return;
  }
  bool grouped = false;
  for (const TensorProblemGroup& group : GroupProblems(report.problems)) {
    grouped |= group.count > 1;
    line(group.first, group.count == 1 ? group.pattern
                                       : fmt::format("{} ({} tensors, the first {})", group.pattern,
                                                     group.count, group.first.name));
  }
  if (grouped) out << "--all names every tensor\n";
}

}  // namespace

void PrintInspectText(const InspectReport& report, const InspectOptions& options,
                      std::ostream& out) {
  const ModelConfig& c = report.config;
  out << report.dir << "\n";
  PrintArchitecture(c, out);
  const int64_t active = report.size.ActiveParameters(c);
  const int64_t embedding = report.size.main[static_cast<int>(ModelPart::kEmbedding)].parameters;
  std::string parameters = Count(report.size.Parameters());
  if (c.HasExperts()) {
    parameters += fmt::format(", {} active a token ({} without the embedding)", Count(active),
                              Count(active - embedding));
  }
  if (c.num_mtp_layers > 0)
    parameters += fmt::format("; MTP {} more", Count(report.size.MtpParameters()));
  Line(out, "parameters", parameters);
  PrintParts(report, out);
  PrintNeeds(report, options, out);
  out << "\n";
  if (report.tokenizer) {
    Line(out, "tokenizer",
         fmt::format("{} ids of a vocabulary of {}; bos {} is {}, eos {} is {}",
                     report.tokenizer->ids, c.vocab_size, c.bos_token_id, report.tokenizer->bos,
                     fmt::join(c.eos_token_ids, ", "), report.tokenizer->eos));
  } else {
    Line(out, "tokenizer", "none usable");
  }
  Line(out, "chat format",
       report.chat ? report.chat->name +
                         (report.chat->opens_reasoning ? "; prompts open the reasoning" : "")
                   : "none usable");
  Line(out, "tensors",
       fmt::format("{} with {}; {}", report.found_tensors, Size(report.found_bytes),
                   report.ok() ? "complete"
                               : fmt::format("{} problems",
                                             report.problems.size() + report.errors.size())));
  PrintProblems(report, options, out);
}

}  // namespace conclave
