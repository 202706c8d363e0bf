// `conclave chat-format`: {"messages": [...], "add_generation_prompt": optional bool, default true}
// ->
// {"rendered": string}, line by line. Messages are OpenAI's: role, content, tool_calls.
#pragma once

#include <istream>
#include <ostream>
#include <string>

namespace conclave {

// Returns the exit status: 1 when the model's chat format is not known (reason on `err`) or a line
// failed.
int RunChatFormat(const std::string& model_dir, std::istream& in, std::ostream& out,
                  std::ostream& err);

}  // namespace conclave
