#include "services/cli/commands/detokenize.h"

#include "common/model/tokenizer.h"
#include "services/cli/commands/json_lines.h"

namespace conclave {
namespace {

using nlohmann::json;

absl::StatusOr<std::vector<TokenId>> ReadIds(const json& line) {
  auto list = line.find("ids");
  if (list == line.end() || !list->is_array())
    return InvalidArgument("field ids is missing or not a list");
  std::vector<TokenId> ids;
  ids.reserve(list->size());
  for (const json& item : *list) {
    // Anything above int32 would be cut off; no vocabulary is that large.
    if (!item.is_number_unsigned() || item.get<uint64_t>() > INT32_MAX) {
      return InvalidArgument(
          "ids[{}] is {}; a non-negative token id is needed", ids.size(),
          item.is_structured() ? item.type_name() : item.dump(-1, ' ', true).substr(0, 80));
    }
    ids.push_back(item.get<TokenId>());
  }
  return ids;
}

}  // namespace

int RunDetokenize(const std::string& model_dir, std::istream& in, std::ostream& out,
                  std::ostream& err) {
  auto tokenizer = Tokenizer::Load(model_dir);
  if (!tokenizer.ok()) {
    err << Message(tokenizer.status()) << '\n';
    return 1;
  }
  return FilterJsonLines(in, out, [&](const json& line) -> absl::StatusOr<json> {
    ASSIGN_OR_RETURN(std::vector<TokenId> ids, ReadIds(line));
    bool skip_special = false;
    if (auto skip = line.find("skip_special"); skip != line.end()) {
      if (!skip->is_boolean()) return InvalidArgument("field skip_special is not true or false");
      skip_special = skip->get<bool>();
    }
    ASSIGN_OR_RETURN(std::string text, (*tokenizer)->Decode(ids, skip_special));
    return json{{"text", text}};
  });
}

}  // namespace conclave
