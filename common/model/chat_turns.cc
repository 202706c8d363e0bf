// Templates without state: every message prints a prefix, its content and a suffix that depend on
// its role alone. DeepSeek LLM, V2, V2-Lite and Coder-V2 have one ("User: … Assistant: …"), the V2
// of June 2024 another (<｜User｜>…<｜Assistant｜>…).
#include "common/model/chat_template_text.h"
#include "common/model/chat_tokens.h"

namespace conclave::chat {
namespace {

struct Turn {
  std::string prefix, suffix;
};

class TurnsFormat : public ChatFormat {
 public:
  std::string_view Name() const override { return "deepseek_v2"; }
  bool PromptOpensReasoning() const override { return false; }

  absl::StatusOr<std::string> Render(const std::vector<ChatMessage>& messages,
                                     bool add_generation_prompt) const override {
    RETURN_IF_ERROR(CheckMessages(messages, {.tools = false}));
    std::string out = start;
    for (const ChatMessage& message : messages) {
      const Turn& turn = message.role == "user" ? user : message.role == "system" ? system : reply;
      out += turn.prefix;
      out += message.content;
      out += turn.suffix;
    }
    if (add_generation_prompt) out += generation_prompt;
    return out;
  }

  std::string start, generation_prompt;
  Turn user, reply, system;
};

// Consumes a canonical template from its beginning.
class Reader {
 public:
  Reader(std::string_view text, const Settings& settings) : text_(text), settings_(settings) {}

  bool Skip(std::string_view head) {
    if (!text_.starts_with(head)) return false;
    text_.remove_prefix(head.size());
    return true;
  }
  // A sum without content.
  bool Text(std::string& out) {
    Turn turn;
    if (!Printed(turn, 0)) return false;
    out = turn.prefix;
    return true;
  }
  // A sum with content exactly once.
  bool Around(Turn& turn) { return Printed(turn, 1); }
  bool AtEnd() const { return text_.empty(); }

 private:
  bool Printed(Turn& turn, int contents) {
    if (!Skip("{{")) return false;
    const size_t end = text_.find("}}");
    if (end == std::string_view::npos) return false;
    const std::optional<std::vector<Term>> terms = ParseSum(text_.substr(0, end));
    text_.remove_prefix(end + 2);
    if (!terms) return false;
    int seen = 0;
    for (const Term& term : *terms) {
      std::string& out = seen == 0 ? turn.prefix : turn.suffix;
      switch (term.kind) {
        case Term::Kind::kLiteral:
          out += term.literal;
          break;
        case Term::Kind::kBos:
          out += settings_.bos;
          break;
        case Term::Kind::kEos:
          out += settings_.eos;
          break;
        case Term::Kind::kContent:
          ++seen;
          break;
      }
    }
    return seen == contents;
  }

  std::string_view text_;
  const Settings& settings_;
};

}  // namespace

std::unique_ptr<ChatFormat> MakeTurns(std::string_view canonical, const Settings& settings) {
  auto format = std::make_unique<TurnsFormat>();
  Reader read(canonical, settings);
  read.Skip("{%ifnotadd_generation_promptisdefined%}{%setadd_generation_prompt=false%}{%endif%}");
  const bool known = read.Text(format->start) && read.Skip("{%formessageinmessages%}") &&
                     read.Skip("{%ifmessage['role']=='user'%}") && read.Around(format->user) &&
                     read.Skip("{%elifmessage['role']=='assistant'%}") &&
                     read.Around(format->reply) && read.Skip("{%elifmessage['role']=='system'%}") &&
                     read.Around(format->system) && read.Skip("{%endif%}{%endfor%}") &&
                     read.Skip("{%ifadd_generation_prompt%}") &&
                     read.Text(format->generation_prompt) && read.Skip("{%endif%}") && read.AtEnd();
  if (!known) return nullptr;
  return format;
}

}  // namespace conclave::chat
