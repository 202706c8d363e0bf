// What `conclave inspect` found, and its two ways to print it.
#pragma once

#include <iosfwd>
#include <optional>
#include <string>
#include <vector>

#include "common/base/status.h"
#include "common/model/model_config.h"
#include "common/model/model_size.h"
#include "common/model/tensor_check.h"

namespace conclave {

struct InspectReport {
  std::string dir;
  ModelConfig config;
  ModelSize size;
  KvSize kv;
  int64_t expected_tensors = 0;  // that must be there
  int64_t found_tensors = 0;
  int64_t found_bytes = 0;
  std::vector<TensorProblem> problems;
  std::vector<std::string> errors;  // files that could not be read, and what contradicts them

  struct TokenizerFacts {
    int ids = 0;  // one more than the largest
    std::string bos, eos;
  };
  std::optional<TokenizerFacts> tokenizer;
  struct ChatFacts {
    std::string name;
    bool opens_reasoning = false;
  };
  std::optional<ChatFacts> chat;

  bool ok() const { return problems.empty() && errors.empty(); }
};

// Fails only without a readable config.json; what else is wrong is in the report.
absl::StatusOr<InspectReport> InspectCheckpoint(const std::string& dir);

struct InspectOptions;
void PrintInspectText(const InspectReport& report, const InspectOptions& options,
                      std::ostream& out);
void PrintInspectJson(const InspectReport& report, const InspectOptions& options,
                      std::ostream& out);

}  // namespace conclave
