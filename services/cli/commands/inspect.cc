#include "services/cli/commands/inspect.h"

#include <ostream>

#include "common/model/chat_format.h"
#include "common/model/checkpoint.h"
#include "common/model/tensor_inventory.h"
#include "common/model/tokenizer.h"
#include "services/cli/commands/inspect_report.h"

namespace conclave {
namespace {

void ReadTensors(const std::vector<ExpectedTensor>& expected, InspectReport& report) {
  const auto checkpoint = Checkpoint::Open(report.dir);
  if (!checkpoint.ok()) {
    report.errors.push_back(Message(checkpoint.status()));
    report.size = MeasureModel(expected, report.config, nullptr);
    return;
  }
  report.size = MeasureModel(expected, report.config, checkpoint->get());
  report.problems = CheckTensors(expected, **checkpoint);
  report.found_tensors = static_cast<int64_t>((*checkpoint)->Names().size());
  report.found_bytes = (*checkpoint)->TotalBytes();
}

// A folder without the tokenizer's files is no error: an engine needs none.
void ReadTokenizer(InspectReport& report) {
  const ModelConfig& config = report.config;
  const auto tokenizer = Tokenizer::Load(report.dir);
  if (tokenizer.ok()) {
    const Tokenizer& t = **tokenizer;
    report.tokenizer = {t.VocabSize(), std::string(t.TokenBytes(config.bos_token_id)),
                        std::string(t.TokenBytes(config.eos_token_id))};
    if (t.VocabSize() > config.vocab_size) {
      report.errors.push_back(
          fmt::format("tokenizer.json has ids up to {}, config.json a vocab_size of {}",
                      t.VocabSize() - 1, config.vocab_size));
    }
    for (const auto& [name, text] : {std::pair{"bos_token_id", report.tokenizer->bos},
                                     std::pair{"eos_token_id", report.tokenizer->eos}}) {
      if (text.empty()) {
        report.errors.push_back(fmt::format("config.json: {} is no token of tokenizer.json", name));
      }
    }
  } else if (!absl::IsNotFound(tokenizer.status())) {
    report.errors.push_back(Message(tokenizer.status()));
  }
  const auto chat = ChatFormat::Load(report.dir);
  if (chat.ok()) {
    report.chat = {std::string((*chat)->Name()), (*chat)->PromptOpensReasoning()};
  } else if (!absl::IsNotFound(chat.status())) {
    report.errors.push_back(Message(chat.status()));
  }
}

}  // namespace

absl::StatusOr<InspectReport> InspectCheckpoint(const std::string& dir) {
  InspectReport report;
  report.dir = dir;
  ASSIGN_OR_RETURN(report.config, LoadModelConfig(dir));
  report.kv = KvBytesPerToken(report.config);
  const std::vector<ExpectedTensor> expected = ListTensors(report.config);
  for (const ExpectedTensor& tensor : expected)
    report.expected_tensors += tensor.presence == Presence::kRequired;
  ReadTensors(expected, report);
  ReadTokenizer(report);
  return report;
}

int RunInspect(const InspectOptions& options, std::ostream& out, std::ostream& err) {
  const absl::StatusOr<InspectReport> report = InspectCheckpoint(options.dir);
  if (!report.ok()) {
    err << fmt::format("inspect: {}\n", Message(report.status()));
    return 1;
  }
  if (options.json) {
    PrintInspectJson(*report, options, out);
  } else {
    PrintInspectText(*report, options, out);
  }
  return report->ok() ? 0 : 1;
}

}  // namespace conclave
