// The C++ client of a Conclave cluster.
//
//   auto client = conclave::Client::Connect("127.0.0.1:8001");
//   if (!client.ok()) { ... }
//   conclave::GenerateOptions options;
//   options.messages = {{"user", "What is 48 + 77?"}};
//   auto result = (*client)->Generate(options, [](const conclave::TextDelta& delta) {
//     std::cout << delta.content << std::flush;
//     return true;  // false stops the generation
//   }, std::chrono::seconds(30));
//   if (!result.ok()) std::cerr << result.status() << "\n";
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/base/status.h"
#include "common/client/generated_token.h"

namespace conclave {

struct ClientMessage {
  std::string role;     // system, user, assistant
  std::string content;  // UTF-8
};

// Exactly one of messages, prompt and prompt_ids is set. Absent settings get the server's defaults.
struct GenerateOptions {
  std::string model;                    // empty = the cluster's model
  std::vector<ClientMessage> messages;  // a conversation, rendered with the model's chat format
  std::optional<std::string> prompt;
  std::vector<int32_t> prompt_ids;
  std::optional<uint32_t> max_tokens;  // >= 1
  std::optional<double> temperature;   // 0..2, 0 = greedy
  std::optional<double> top_p;         // (0, 1]
  std::optional<uint64_t> seed;        // absent = drawn by the server and told in the result
  std::vector<std::string> stop;       // at most 16, none empty
  bool ignore_eos = false;
  bool include_token_ids = false;  // fills TextDelta::tokens and GenerateResult::tokens
  int top_logprobs = 0;            // 0..20 alternatives per token
};

struct TextDelta {
  std::string content;
  std::string reasoning;
  std::vector<GeneratedToken> tokens;
};

struct GenerateResult {
  std::string id, model;
  uint64_t seed = 0;  // what to send to get the same again
  std::string content;
  std::string reasoning;
  std::vector<GeneratedToken> tokens;
  std::string finish_reason;  // "stop" or "length"
  uint32_t prompt_tokens = 0, completion_tokens = 0, reasoning_tokens = 0;
};

struct ServedModel {
  std::string id;
  int64_t created_s = 0;        // seconds since 1970
  uint32_t context_length = 0;  // tokens
};

// Thread-safe; calls may run side by side.
class Client {
 public:
  // "host:port" of a router's gRPC front door. InvalidArgument for anything else; whether somebody
  // listens shows in the first call.
  static absl::StatusOr<std::unique_ptr<Client>> Connect(const std::string& address);
  virtual ~Client() = default;

  // Blocks until the generation ended. `on_delta` (may be empty) runs on this thread for every
  // piece of text; false from it cancels, which returns Cancelled. Errors: those of
  // conclave.v1.Inference.Generate.
  virtual absl::StatusOr<GenerateResult> Generate(
      const GenerateOptions& options, const std::function<bool(const TextDelta&)>& on_delta,
      std::chrono::milliseconds timeout) = 0;
  virtual absl::StatusOr<std::vector<ServedModel>> ListModels(
      std::chrono::milliseconds timeout) = 0;
};

}  // namespace conclave
