#include "common/model/tensor_check.h"

#include <algorithm>
#include <cctype>
#include <map>
#include <unordered_set>

namespace conclave {
namespace {

std::string ShowTypes(const std::vector<TensorType>& types) {
  std::string text;
  for (size_t i = 0; i < types.size(); ++i) {
    if (i > 0) text += i + 1 == types.size() ? " or " : ", ";
    text += TensorTypeName(types[i]);
  }
  return text;
}

std::string ShowShape(const std::vector<int64_t>& shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

// ".12." and ".12" at the end become ".*".
std::string Pattern(const std::string& name) {
  std::string pattern;
  for (size_t i = 0; i < name.size(); ++i) {
    pattern += name[i];
    if (name[i] != '.') continue;
    size_t end = i + 1;
    while (end < name.size() && std::isdigit(static_cast<unsigned char>(name[end]))) ++end;
    if (end == i + 1 || (end < name.size() && name[end] != '.')) continue;
    pattern += '*';
    i = end - 1;
  }
  return pattern;
}

}  // namespace

std::string_view TensorProblemName(TensorProblem::Kind kind) {
  switch (kind) {
    case TensorProblem::Kind::kMissing:
      return "missing";
    case TensorProblem::Kind::kExtra:
      return "extra";
    case TensorProblem::Kind::kShape:
      return "wrong shape";
    case TensorProblem::Kind::kType:
      return "wrong dtype";
  }
  return "?";
}

std::vector<TensorProblem> CheckTensors(const std::vector<ExpectedTensor>& expected,
                                        const Checkpoint& checkpoint) {
  std::vector<TensorProblem> problems;
  std::unordered_set<std::string_view> known;
  known.reserve(expected.size());
  bool previous_is_fp8 = false;  // of the weight that a kWithFp8 entry follows
  for (const ExpectedTensor& tensor : expected) {
    const absl::StatusOr<TensorView> found = checkpoint.Get(tensor.name);
    const std::string want = fmt::format("{} {}", ShowTypes(tensor.types), ShowShape(tensor.shape));
    const bool needed = tensor.presence == Presence::kRequired ||
                        (tensor.presence == Presence::kWithFp8 && previous_is_fp8);
    if (tensor.presence != Presence::kWithFp8) {
      previous_is_fp8 = found.ok() && found->type == TensorType::kF8E4M3;
    } else if (!previous_is_fp8) {
      continue;  // a scale without FP8 weights is extra
    }
    known.insert(tensor.name);
    if (!found.ok()) {
      if (needed) problems.push_back({TensorProblem::Kind::kMissing, tensor.name, want, ""});
      continue;
    }
    const std::string have =
        fmt::format("{} {}", TensorTypeName(found->type), ShowShape(found->shape));
    if (found->shape != tensor.shape) {
      problems.push_back({TensorProblem::Kind::kShape, tensor.name, want, have});
    } else if (std::find(tensor.types.begin(), tensor.types.end(), found->type) ==
               tensor.types.end()) {
      problems.push_back({TensorProblem::Kind::kType, tensor.name, want, have});
    }
  }
  for (const std::string& name : checkpoint.Names()) {
    if (known.contains(name) || IsIgnorableTensor(name)) continue;
    const absl::StatusOr<TensorView> found = checkpoint.Get(name);
    if (!found.ok()) continue;
    problems.push_back(
        {TensorProblem::Kind::kExtra, name, "",
         fmt::format("{} {}", TensorTypeName(found->type), ShowShape(found->shape))});
  }
  return problems;
}

std::vector<TensorProblemGroup> GroupProblems(const std::vector<TensorProblem>& problems) {
  std::vector<TensorProblemGroup> groups;
  std::map<std::string, size_t> index;
  for (const TensorProblem& problem : problems) {
    const std::string pattern = Pattern(problem.name);
    const std::string key = fmt::format("{}|{}|{}|{}", static_cast<int>(problem.kind), pattern,
                                        problem.expected, problem.found);
    const auto [it, inserted] = index.emplace(key, groups.size());
    if (inserted) groups.push_back({problem, pattern, 0});
    ++groups[it->second].count;
  }
  for (TensorProblemGroup& group : groups) {
    if (group.count == 1) group.pattern = group.first.name;
  }
  return groups;
}

}  // namespace conclave
