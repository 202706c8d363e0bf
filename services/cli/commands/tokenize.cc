#include "services/cli/commands/tokenize.h"

#include "common/model/tokenizer.h"
#include "services/cli/commands/json_lines.h"

namespace conclave {

using nlohmann::json;

int RunTokenize(const std::string& model_dir, std::istream& in, std::ostream& out,
                std::ostream& err) {
  auto tokenizer = Tokenizer::Load(model_dir);
  if (!tokenizer.ok()) {
    err << Message(tokenizer.status()) << '\n';
    return 1;
  }
  return FilterJsonLines(in, out, [&](const json& line) -> absl::StatusOr<json> {
    auto text = line.find("text");
    if (text == line.end() || !text->is_string())
      return InvalidArgument("field text is missing or not a string");
    ASSIGN_OR_RETURN(std::vector<TokenId> ids,
                     (*tokenizer)->Encode(text->get_ref<const std::string&>()));
    return json{{"ids", ids}};
  });
}

}  // namespace conclave
