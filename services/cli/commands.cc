#include "services/cli/commands.h"

#include <cstdio>
#include <functional>
#include <iostream>
#include <optional>

#include "common/config/config.h"
#include "services/cli/commands/bench_engine.h"
#include "services/cli/commands/chat.h"
#include "services/cli/commands/chat_format.h"
#include "services/cli/commands/detokenize.h"
#include "services/cli/commands/inspect.h"
#include "services/cli/commands/status.h"
#include "services/cli/commands/tokenize.h"
#include "services/cli/commands/verify.h"
#include "services/cli/serve/run.h"
#include "services/cli/up/run.h"
#include "services/decode/main.h"
#include "services/expert_host/main.h"
#include "services/prefill/main.h"
#include "services/router/main.h"

namespace conclave {
namespace {

using Args = std::vector<std::string>;

// Parses a command's flags: nothing, or the exit status to end with.
std::optional<int> ParseFlags(const std::string& name, const std::string& description,
                              const Args& args, const std::function<void(ConfigParser&)>& bind) {
  ConfigParser parser(name, description);
  bind(parser);
  bool exit_now = false;
  if (absl::Status status = parser.Parse(args, &exit_now); !status.ok()) {
    std::fprintf(stderr, "conclave %s: %s\n", name.c_str(), Message(status).c_str());
    return 2;
  }
  if (exit_now) return 0;
  return std::nullopt;
}

using LinesCommand = int (*)(const std::string&, std::istream&, std::ostream&, std::ostream&);

int RunLines(const std::string& name, const std::string& description, LinesCommand run,
             const Args& args) {
  std::string model;
  const auto exit_status = ParseFlags(name, description, args, [&](ConfigParser& parser) {
    parser.Add("model", &model, "checkpoint folder with the tokenizer's files", /*required=*/true);
  });
  return exit_status ? *exit_status : run(model, std::cin, std::cout, std::cerr);
}

int Tokenize(const Args& args) {
  return RunLines("tokenize", R"(JSON lines from stdin to stdout: {"text"} to {"ids"}.)",
                  RunTokenize, args);
}
int Detokenize(const Args& args) {
  return RunLines("detokenize", R"(JSON lines from stdin to stdout: {"ids"} to {"text"}.)",
                  RunDetokenize, args);
}
int ChatFormatLines(const Args& args) {
  return RunLines("chat-format",
                  R"(JSON lines from stdin to stdout: {"messages"} to {"rendered"}.)",
                  RunChatFormat, args);
}

int Chat(const Args& args) {
  ChatOptions options;
  double temperature = -1;
  int max_tokens = 0;
  const auto exit_status =
      ParseFlags("chat", "A conversation with a running cluster.", args, [&](ConfigParser& parser) {
        parser.Add("address", &options.address, "gRPC front door of a router, host:port");
        parser.Add("model", &options.model, "model to ask for; empty = the cluster's");
        parser.Add("system", &options.system, "system message");
        parser.Add("temperature", &temperature, "0 = greedy, -1 = the server's default", -1, 2);
        parser.Add("max-tokens", &max_tokens, "of one answer, 0 = up to the context length", 0,
                   1 << 20);
        parser.Add("prompt", &options.prompt, "ask this, print the answer, return");
        parser.Add("show-reasoning", &options.show_reasoning, "print the reasoning too");
        parser.Add("timeout-s", &options.timeout_s, "for one answer", 1, 86400);
      });
  if (exit_status) return *exit_status;
  if (temperature >= 0) options.temperature = temperature;
  if (max_tokens > 0) options.max_tokens = max_tokens;
  return RunChat(options, std::cin, std::cout, std::cerr);
}

int Status(const Args& args) {
  StatusOptions options;
  const auto exit_status = ParseFlags(
      "status", "Members, their health and the placement map.", args, [&](ConfigParser& parser) {
        parser.Add("etcd", &options.etcd, "endpoints host:port, separated by commas");
        parser.Add("cluster", &options.cluster, "name of the cluster");
        parser.Add("json", &options.json, "print JSON");
        parser.Add("timeout-s", &options.timeout_s, "for everything together", 1, 3600);
      });
  return exit_status ? *exit_status : RunStatus(options, std::cout, std::cerr);
}

int Verify(const Args& args) {
  VerifyOptions options;
  const auto exit_status = ParseFlags(
      "verify", "Compares what this engine computes with golden outputs.", args,
      [&](ConfigParser& parser) {
        parser.AddPositional("dir", &options.dir,
                             "folder with config.json, a checkpoint and golden.safetensors",
                             /*required=*/true);
        parser.AddChoice("mode", &options.mode, "compute mode", {"f32", "bf16", "int8", "w8a8"});
        parser.AddChoice("kv-cache", &options.kv_cache, "format of cached keys and values",
                         {"auto", "fp8", "bf16"});
        parser.Add("threads", &options.threads, "compute threads", 1, 1024);
        parser.Add("json", &options.json, "print JSON");
      });
  return exit_status ? *exit_status : RunVerify(options, std::cout, std::cerr);
}

int Inspect(const Args& args) {
  InspectOptions options;
  const auto exit_status = ParseFlags(
      "inspect", "What a checkpoint folder holds, and what is wrong with it.", args,
      [&](ConfigParser& parser) {
        parser.AddPositional("dir", &options.dir, "checkpoint folder", /*required=*/true);
        parser.Add("hosts", &options.hosts, "expert hosts to divide by; 0 = several numbers", 0,
                   1 << 16);
        parser.Add("all", &options.all, "name every tensor that is wrong, not groups");
        parser.Add("json", &options.json, "print JSON");
      });
  return exit_status ? *exit_status : RunInspect(options, std::cout, std::cerr);
}

int Bench(const Args& args) {
  // `bench engine` is the only benchmark in the binary; the name leaves room for others.
  if (args.empty() || args[0] != "engine") {
    const bool asked = !args.empty() && (args[0] == "-h" || args[0] == "--help");
    (asked ? std::cout : std::cerr)
        << "usage: conclave bench engine (--shape NAME | --model DIR) [flags]; see conclave bench "
           "engine --help\n";
    return asked ? 0 : 2;
  }
  BenchEngineOptions options;
  const auto exit_status = ParseFlags(
      "bench engine", "The engine's speed against the machine's limits, measured in the same run.",
      {args.begin() + 1, args.end()}, [&](ConfigParser& parser) {
        parser.Add("model", &options.dir, "checkpoint folder");
        parser.Add("shape", &options.shape,
                   "random weights in memory instead: tiny, v2lite-slice (3.3 GB) or v3-slice "
                   "(12.4 GB)");
        parser.AddChoice("mode", &options.mode, "compute mode", {"f32", "bf16", "int8", "w8a8"});
        parser.Add("threads", &options.threads, "compute threads", 1, 1024);
        parser.Add("contexts", &options.contexts, "cached tokens of the decode lines at batch 1");
        parser.Add("batches", &options.batches, "further batch sizes of decode lines");
        parser.Add("prefill-tokens", &options.prefill_tokens,
                   "prompt length, one chunk; 0: no such line", 0, 1 << 14);
        parser.Add("seconds", &options.seconds, "per measurement", 0.1, 600);
        parser.Add("plot", &options.plot, "write a roofline plot (SVG) to this file");
        parser.Add("json", &options.json, "print JSON");
      });
  return exit_status ? *exit_status : RunBenchEngine(options, std::cout, std::cerr);
}

constexpr Command kCommands[] = {
    {"up", "a whole cluster on this machine: etcd and one process per role", RunUp},
    {"serve", "every role in one process", RunServe},
    {"chat", "talk to a running cluster", Chat},
    {"status", "members, health and placement of a running cluster", Status},
    {"router", "one router", RunRouter},
    {"prefill", "one prefill worker", RunPrefill},
    {"decode", "one decode worker", RunDecode},
    {"expert-host", "one expert host", RunExpertHost},
    {"inspect", "what a checkpoint holds, and what is wrong with it", Inspect},
    {"verify", "compare a checkpoint's outputs with golden ones", Verify},
    {"bench", "bench engine: speed against the machine's limits", Bench},
    {"tokenize", "text to token ids, JSON lines", Tokenize},
    {"detokenize", "token ids to text, JSON lines", Detokenize},
    {"chat-format", "messages to prompt text, JSON lines", ChatFormatLines},
};

}  // namespace

std::span<const Command> Commands() { return kCommands; }

}  // namespace conclave
