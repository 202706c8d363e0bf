#include "services/cli/commands/chat.h"

#include <unistd.h>

#include <iostream>
#include <string_view>

#include "common/client/inference/client.h"

namespace conclave {
namespace {

constexpr char kHelp[] =
    "  /reset   forget the conversation\n"
    "  /help    this list\n"
    "  /quit    leave (Ctrl-D too)\n";

bool OnTerminal(const std::ostream& out) {
  return &out == &std::cout && isatty(STDOUT_FILENO) == 1;
}

std::string_view Trim(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t\r\n");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t\r\n") - begin + 1);
}

// Prints an answer as it comes: reasoning dimmed, then the answer.
class Printer {
 public:
  Printer(std::ostream& out, bool colour, bool show_reasoning)
      : out_(out),
        dim_(colour ? "\033[2m" : ""),
        plain_(colour ? "\033[0m" : ""),
        show_reasoning_(show_reasoning) {}

  bool Print(const TextDelta& delta) {
    if (show_reasoning_ && !delta.reasoning.empty()) {
      if (!reasoning_) out_ << dim_;
      reasoning_ = true;
      out_ << delta.reasoning;
    }
    if (!delta.content.empty()) {
      EndReasoning();
      out_ << delta.content;
    }
    out_.flush();
    return out_.good();
  }
  void End() {
    EndReasoning();
    out_ << "\n";
    out_.flush();
  }

 private:
  void EndReasoning() {
    if (reasoning_) out_ << plain_ << "\n";
    reasoning_ = false;
  }

  std::ostream& out_;
  const char* const dim_;
  const char* const plain_;
  const bool show_reasoning_;
  bool reasoning_ = false;
};

class Chat {
 public:
  Chat(Client& client, const ChatOptions& options, std::ostream& out, std::ostream& err)
      : client_(client), options_(options), out_(out), err_(err), colour_(OnTerminal(out)) {
    Reset();
  }

  int OneShot() {
    messages_.push_back({"user", options_.prompt});
    bool reasoned = false;
    const absl::StatusOr<GenerateResult> result = Ask([&](const TextDelta& delta) {
      if (options_.show_reasoning && !delta.reasoning.empty())
        err_ << delta.reasoning << std::flush;
      reasoned = reasoned || !delta.reasoning.empty();
      return true;
    });
    if (options_.show_reasoning && reasoned) err_ << "\n";
    if (!result.ok()) return Failed(result.status());
    out_ << result->content << "\n" << std::flush;
    return 0;
  }

  int Converse(std::istream& in) {
    const absl::StatusOr<std::vector<ServedModel>> models =
        client_.ListModels(std::chrono::seconds(5));
    if (!models.ok()) return Failed(models.status());
    for (const ServedModel& model : *models) {
      out_ << "Talking to " << model.id << ", " << model.context_length
           << " tokens of context. /help lists the commands.\n";
    }
    std::string line;
    while (Prompt() && std::getline(in, line)) {
      const std::string_view text = Trim(line);
      if (text.empty()) continue;
      if (text == "/quit" || text == "/exit") return 0;
      if (text == "/reset") {
        Reset();
        out_ << "The conversation starts anew.\n";
      } else if (text == "/help") {
        out_ << kHelp;
      } else if (text.front() == '/') {
        out_ << "There is no command " << text << ".\n" << kHelp;
      } else {
        Turn(std::string(text));
      }
    }
    out_ << "\n";
    return 0;
  }

 private:
  bool Prompt() {
    out_ << (colour_ ? "\033[1m> \033[0m" : "> ") << std::flush;
    return out_.good();
  }

  void Reset() {
    messages_.clear();
    if (!options_.system.empty()) messages_.push_back({"system", options_.system});
  }

  void Turn(std::string text) {
    messages_.push_back({"user", std::move(text)});
    Printer printer(out_, colour_, options_.show_reasoning);
    const absl::StatusOr<GenerateResult> result =
        Ask([&](const TextDelta& delta) { return printer.Print(delta); });
    printer.End();
    if (!result.ok()) {
      messages_.pop_back();  // an unanswered question would confuse the next turn
      Failed(result.status());
      return;
    }
    messages_.push_back({"assistant", result->content});
    if (result->finish_reason == "length") {
      err_ << "(cut off after " << result->completion_tokens << " tokens)\n" << std::flush;
    }
  }

  absl::StatusOr<GenerateResult> Ask(const std::function<bool(const TextDelta&)>& on_delta) {
    GenerateOptions request;
    request.model = options_.model;
    request.messages = messages_;
    request.temperature = options_.temperature;
    if (options_.max_tokens.has_value())
      request.max_tokens = static_cast<uint32_t>(*options_.max_tokens);
    return client_.Generate(request, on_delta, std::chrono::seconds(options_.timeout_s));
  }

  int Failed(const absl::Status& status) {
    err_ << "conclave chat: " << Message(status) << " (" << absl::StatusCodeToString(status.code())
         << ", router at " << options_.address << ")\n"
         << std::flush;
    return 1;
  }

  Client& client_;
  const ChatOptions& options_;
  std::ostream& out_;
  std::ostream& err_;
  const bool colour_;
  std::vector<ClientMessage> messages_;
};

}  // namespace

int RunChat(const ChatOptions& options, std::istream& in, std::ostream& out, std::ostream& err) {
  const absl::StatusOr<std::unique_ptr<Client>> client = Client::Connect(options.address);
  if (!client.ok()) {
    err << "conclave chat: " << Message(client.status()) << "\n";
    return 1;
  }
  Chat chat(**client, options, out, err);
  return options.prompt.empty() ? chat.Converse(in) : chat.OneShot();
}

}  // namespace conclave
