// `conclave detokenize`: {"ids": [int], "skip_special": optional bool} -> {"text": string}, line by
// line.
#pragma once

#include <istream>
#include <ostream>
#include <string>

namespace conclave {

// Returns the exit status: 1 when the model's tokenizer cannot be loaded (reason on `err`) or a
// line failed.
int RunDetokenize(const std::string& model_dir, std::istream& in, std::ostream& out,
                  std::ostream& err);

}  // namespace conclave
