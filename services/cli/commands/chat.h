// `conclave chat`: a conversation in the terminal, or one question and its answer.
#pragma once

#include <iosfwd>
#include <optional>
#include <string>

namespace conclave {

struct ChatOptions {
  std::string address = "127.0.0.1:8001";  // gRPC of a router, "host:port"
  std::string model;                       // empty = the cluster's model
  std::string system;                      // system message; empty = none
  std::optional<double> temperature;       // 0..2; absent = the server's default
  std::optional<int> max_tokens;           // absent = up to the context length
  std::string prompt;                      // not empty: print its answer and return
  bool show_reasoning = true;
  int timeout_s = 120;  // seconds for one answer
};

// Returns the exit status: 0, or 1 after a message on `err` that says what went wrong. One shot
// prints the answer alone on `out` (the reasoning goes to `err` when asked for). In a conversation
// an error ends only the turn. Escape sequences are written only when `out` is std::cout on a
// terminal.
int RunChat(const ChatOptions& options, std::istream& in, std::ostream& out, std::ostream& err);

}  // namespace conclave
