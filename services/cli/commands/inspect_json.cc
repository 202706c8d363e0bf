#include <nlohmann/json.hpp>
#include <ostream>

#include "services/cli/commands/inspect.h"
#include "services/cli/commands/inspect_report.h"

namespace conclave {
namespace {

using nlohmann::json;

json Parts(const std::array<PartSize, ModelSize::kParts>& parts) {
  json list = json::array();
  for (int i = 0; i < ModelSize::kParts; ++i) {
    if (parts[i].parameters == 0 && parts[i].bytes.empty()) continue;
    json types = json::object();
    for (const auto& [type, bytes] : parts[i].bytes)
      types[std::string(TensorTypeName(type))] = bytes;
    list.push_back({{"part", std::string(ModelPartName(static_cast<ModelPart>(i)))},
                    {"parameters", parts[i].parameters},
                    {"bytes", parts[i].Bytes()},
                    {"bytes_by_dtype", types}});
  }
  return list;
}

json Problem(const TensorProblem& problem) {
  json entry = {{"problem", std::string(TensorProblemName(problem.kind))}};
  if (!problem.expected.empty()) entry["expected"] = problem.expected;
  if (!problem.found.empty()) entry["found"] = problem.found;
  return entry;
}

json Problems(const InspectReport& report, bool all) {
  json list = json::array();
  for (const std::string& error : report.errors) list.push_back({{"problem", error}});
  if (all) {
    for (const TensorProblem& problem : report.problems) {
      list.push_back(Problem(problem));
      list.back()["tensor"] = problem.name;
    }
    return list;
  }
  for (const TensorProblemGroup& group : GroupProblems(report.problems)) {
    list.push_back(Problem(group.first));
    list.back()["tensor"] = group.first.name;
    list.back()["pattern"] = group.pattern;
    list.back()["count"] = group.count;
  }
  return list;
}

}  // namespace

void PrintInspectJson(const InspectReport& report, const InspectOptions& options,
                      std::ostream& out) {
  const ModelConfig& c = report.config;
  const ModelSize& size = report.size;
  const int64_t active = size.ActiveParameters(c);
  json document = {
      {"dir", report.dir},
      {"ok", report.ok()},
      {"model_type", c.model_type},
      {"layers", c.num_layers},
      {"mtp_layers", c.num_mtp_layers},
      {"context_tokens", c.max_position_embeddings},
      {"parameters",
       {{"total", size.Parameters()},
        {"active", active},
        {"active_without_embedding",
         active - size.main[static_cast<int>(ModelPart::kEmbedding)].parameters},
        {"mtp", size.MtpParameters()}}},
      {"bytes", size.Bytes()},
      {"parts", Parts(size.main)},
      {"mtp_parts", Parts(size.mtp)},
      {"kv_bytes_per_token", {{"f32", report.kv.f32_bytes}, {"bf16", report.kv.bf16_bytes}}},
      {"needs",
       {{"prefill_bytes", size.AttentionBytes()}, {"decode_bytes", size.AttentionBytes()}}},
      {"tensors", report.found_tensors},
      {"problems", Problems(report, options.all)},
  };
  if (report.kv.fp8_bytes > 0) document["kv_bytes_per_token"]["fp8"] = report.kv.fp8_bytes;
  if (c.HasExperts()) {
    const int hosts = options.hosts > 0 ? options.hosts : 1;
    document["needs"]["expert_hosts"] = hosts;
    document["needs"]["expert_host_bytes"] = (size.RoutedBytes() + hosts - 1) / hosts;
  }
  if (report.tokenizer) {
    document["tokenizer"] = {{"ids", report.tokenizer->ids},
                             {"vocab_size", c.vocab_size},
                             {"bos", {{"id", c.bos_token_id}, {"text", report.tokenizer->bos}}},
                             {"eos", {{"ids", c.eos_token_ids}, {"text", report.tokenizer->eos}}}};
  }
  if (report.chat) {
    document["chat_format"] = {{"name", report.chat->name},
                               {"opens_reasoning", report.chat->opens_reasoning}};
  }
  out << document.dump(2, ' ', false, json::error_handler_t::replace) << "\n";
}

}  // namespace conclave
