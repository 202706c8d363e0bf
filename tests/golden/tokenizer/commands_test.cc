// The command bodies of tokenize, detokenize and chat-format over a model folder with the real
// files.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

#include "services/cli/commands/chat_format.h"
#include "services/cli/commands/detokenize.h"
#include "services/cli/commands/tokenize.h"
#include "tests/golden/tokenizer/golden_files.h"

namespace conclave {
namespace {

using nlohmann::json;
using testing::HasSubstr;

class Commands : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    dir_ = new golden::TempDir();
    dir_->Write("tokenizer.json", golden::TokenizerJson());
    dir_->Write("tokenizer_config.json", golden::ReadText(golden::File("tokenizer_config.json")));
  }
  static void TearDownTestSuite() {
    delete dir_;
    dir_ = nullptr;
  }

  using Body = int (*)(const std::string&, std::istream&, std::ostream&, std::ostream&);
  struct Result {
    int status;
    std::vector<json> lines;
    std::string err;
  };
  static Result Run(Body body, const std::string& input, const std::string& dir) {
    std::istringstream in(input);
    std::ostringstream out, err;
    Result result{body(dir, in, out, err), {}, err.str()};
    std::istringstream lines(out.str());
    for (std::string line; std::getline(lines, line);) result.lines.push_back(json::parse(line));
    return result;
  }
  static Result Run(Body body, const std::string& input) { return Run(body, input, dir_->path()); }

  static golden::TempDir* dir_;
};

golden::TempDir* Commands::dir_ = nullptr;

TEST_F(Commands, TokenizeAnswersEveryGoldenText) {
  std::string input;
  for (const json& item : golden::Cases()["encode"])
    input += json{{"text", item["text"]}}.dump() + "\n";
  Result result = Run(RunTokenize, input);
  EXPECT_EQ(result.status, 0) << result.err;
  const json& cases = golden::Cases()["encode"];
  ASSERT_EQ(result.lines.size(), cases.size());
  for (size_t i = 0; i < cases.size(); ++i)
    EXPECT_EQ(result.lines[i], (json{{"ids", cases[i]["ids"]}})) << i;
}

TEST_F(Commands, DetokenizeAnswersEveryGoldenDecoding) {
  std::string input;
  for (const json& item : golden::Cases()["decode"]) {
    input += json{{"ids", item["ids"]}}.dump() + "\n";
    input += json{{"ids", item["ids"]}, {"skip_special", true}}.dump() + "\n";
  }
  Result result = Run(RunDetokenize, input);
  EXPECT_EQ(result.status, 0) << result.err;
  const json& cases = golden::Cases()["decode"];
  ASSERT_EQ(result.lines.size(), 2 * cases.size());
  for (size_t i = 0; i < cases.size(); ++i) {
    const std::string whole = cases[i]["decoded"];
    EXPECT_EQ(result.lines[2 * i]["text"], whole) << i;
    EXPECT_EQ(result.lines[2 * i + 1]["text"], cases[i].value("decoded_skip_special", whole)) << i;
  }
}

TEST_F(Commands, ChatFormatAnswersEveryGoldenChat) {
  golden::TempDir r1;
  r1.Write("tokenizer_config.json", golden::ReadText(golden::File("tokenizer_config_r1.json")));
  for (const json& item : golden::Cases()["chat"]) {
    json line = {{"messages", item["messages"]}};
    // The default is a generation prompt.
    if (!item["add_generation_prompt"].get<bool>()) line["add_generation_prompt"] = false;
    const bool is_r1 = item["template"] == "deepseek_r1";
    Result result = Run(RunChatFormat, line.dump() + "\n", is_r1 ? r1.path() : dir_->path());
    EXPECT_EQ(result.status, 0);
    ASSERT_EQ(result.lines.size(), 1u);
    EXPECT_EQ(result.lines[0], (json{{"rendered", item["rendered"]}}));
  }
}

TEST_F(Commands, BadLinesKeepTheirPlaceAndFailTheCommand) {
  Result result =
      Run(RunTokenize,
          "{\"text\":\"Hello\"}\nnot json\n\n[1]\n{\"txt\":\"x\"}\n{\"text\":\"Hello\"}\n");
  EXPECT_EQ(result.status, 1);
  ASSERT_EQ(result.lines.size(), 6u);
  EXPECT_EQ(result.lines[0], (json{{"ids", {19923}}}));
  for (int i = 1; i < 5; ++i) {
    EXPECT_THAT(result.lines[i].value("error", ""), HasSubstr("line " + std::to_string(i + 1)))
        << i;
  }
  EXPECT_EQ(result.lines[5], result.lines[0]);

  result = Run(RunDetokenize,
               "{\"ids\":[19923,-1]}\n{\"ids\":[999999]}\n{\"ids\":[4294967296]}\n{\"ids\":[1.5]}\n"
               "{\"ids\":\"x\"}\n{\"ids\":[0],\"skip_special\":1}\n{\"ids\":[19923]}\n");
  EXPECT_EQ(result.status, 1);
  ASSERT_EQ(result.lines.size(), 7u);
  for (int i = 0; i < 6; ++i) EXPECT_TRUE(result.lines[i].contains("error")) << i;
  EXPECT_EQ(result.lines[6], (json{{"text", "Hello"}}));

  result = Run(
      RunChatFormat,
      "{\"messages\":[]}\n{\"messages\":[{\"role\":\"wizard\",\"content\":\"x\"}]}\n"
      "{\"messages\":[{\"role\":\"user\"}]}\n{\"messages\":[{\"role\":\"user\",\"content\":[]}]}\n"
      "{\"messages\":[{\"role\":\"assistant\",\"tool_calls\":[{}]}]}\n"
      "{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}],\"add_generation_prompt\":\"yes\"}\n");
  EXPECT_EQ(result.status, 1);
  ASSERT_EQ(result.lines.size(), 6u);
  for (const json& line : result.lines) EXPECT_TRUE(line.contains("error")) << line;
  EXPECT_THAT(result.lines[1].value("error", ""), HasSubstr("wizard"));
}

TEST_F(Commands, EmptyInputIsNoFailure) {
  Result result = Run(RunTokenize, "");
  EXPECT_EQ(result.status, 0);
  EXPECT_TRUE(result.lines.empty());
}

TEST_F(Commands, MissingModelIsSaidOnce) {
  for (Body body : {Body{RunTokenize}, Body{RunDetokenize}, Body{RunChatFormat}}) {
    Result result = Run(body, "{\"text\":\"x\"}\n", "/nonexistent/model");
    EXPECT_EQ(result.status, 1);
    EXPECT_TRUE(result.lines.empty());
    EXPECT_THAT(result.err, HasSubstr("/nonexistent/model"));
  }
}

}  // namespace
}  // namespace conclave
