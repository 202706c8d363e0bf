// Compares the tensors of a checkpoint with those that its configuration asks for. Pure.
#pragma once

#include <string>
#include <vector>

#include "common/model/checkpoint.h"
#include "common/model/tensor_inventory.h"

namespace conclave {

struct TensorProblem {
  enum class Kind { kMissing, kExtra, kShape, kType };
  Kind kind = Kind::kMissing;
  std::string name;
  std::string expected;  // e.g. "BF16 or F32 [64, 128]"; empty for kExtra
  std::string found;     // e.g. "F32 [64, 64]"; empty for kMissing
};
std::string_view TensorProblemName(TensorProblem::Kind kind);  // "missing", "extra", ...

// First what is missing or wrong, in the inventory's order, then what is extra, by name.
std::vector<TensorProblem> CheckTensors(const std::vector<ExpectedTensor>& expected,
                                        const Checkpoint& checkpoint);

// Problems whose names differ in their numbers only, at the place of the first of them.
struct TensorProblemGroup {
  TensorProblem first;
  std::string pattern;  // the name with * for each number, or the name itself when alone
  int64_t count = 0;
};
std::vector<TensorProblemGroup> GroupProblems(const std::vector<TensorProblem>& problems);

}  // namespace conclave
