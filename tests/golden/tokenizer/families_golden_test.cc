// The tokenizers and chat templates of the other families: every golden encoding, decoding and
// rendering of families/golden.json.
#include <gtest/gtest.h>

#include <map>

#include "common/model/chat_format.h"
#include "common/model/stream_decoder.h"
#include "tests/golden/tokenizer/chat_messages.h"
#include "tests/golden/tokenizer/golden_files.h"

namespace conclave {
namespace {

using nlohmann::json;

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

const json& Families() {
  static const json cases = json::parse(golden::ReadText(golden::File("families/golden.json")));
  return cases;
}

std::map<std::string, std::unique_ptr<Tokenizer>> LoadTokenizers() {
  std::map<std::string, std::unique_ptr<Tokenizer>> result;
  for (const char* name : {"deepseek_v2", "r1_distill_qwen", "r1_distill_llama"}) {
    const std::string file = std::string("families/") + name + ".json.gz";
    auto tokenizer = Tokenizer::Parse(golden::Gunzip(golden::File(file)), file);
    EXPECT_TRUE(tokenizer.ok()) << tokenizer.status();
    if (tokenizer.ok()) result[name] = std::move(tokenizer).value();
  }
  return result;
}

TEST(FamiliesGolden, AllEncodingsAndDecodings) {
  const auto tokenizers = LoadTokenizers();
  ASSERT_EQ(tokenizers.size(), 3u);
  const json& cases = Families()["encode"];
  ASSERT_EQ(cases.size(), 1032u);
  size_t changed = 0;
  for (size_t i = 0; i < cases.size(); ++i) {
    const std::string name = cases[i]["tokenizer"], text = cases[i]["text"];
    const auto golden_ids = cases[i]["ids"].get<std::vector<TokenId>>();
    const Tokenizer& tokenizer = *tokenizers.at(name);
    auto ids = tokenizer.Encode(text);
    ASSERT_TRUE(ids.ok()) << "case " << i << ": " << ids.status();
    EXPECT_EQ(*ids, golden_ids) << "case " << i << " of " << name << ": " << cases[i]["text"];
    std::string want = cases[i].value("decoded", text);
    if (want.find(kReplacement) != std::string::npos &&
        text.find(kReplacement) == std::string::npos) {
      // An added token of Latin letters: the library takes them for the alphabet of bytes and makes
      // broken ones. Here they stay what they are.
      if (name != "deepseek_v2") continue;
      want = text;
    }
    changed += want != text;
    auto decoded = tokenizer.Decode(golden_ids, false);
    ASSERT_TRUE(decoded.ok()) << "case " << i << ": " << decoded.status();
    EXPECT_EQ(*decoded, want) << "case " << i << " of " << name;
    StreamDecoder stream(tokenizer, false);
    std::string streamed;
    for (TokenId id : golden_ids) streamed += stream.Push(id);
    EXPECT_EQ(streamed + stream.Finish(), want) << "case " << i << " of " << name;
  }
  EXPECT_GT(changed, 0u) << "no text was normalised";
}

TEST(FamiliesGolden, AllRenderings) {
  const std::map<std::string, std::pair<std::string, bool>> expected = {
      {"deepseek_llm", {"deepseek_v2", false}},
      {"deepseek_v2", {"deepseek_v2", false}},
      {"deepseek_v2_0628", {"deepseek_v2", false}},
      {"r1_distill", {"deepseek_r1_distill", true}},
      {"r1_distill_later", {"deepseek_r1", true}},
      {"deepseek_v3_0324", {"deepseek_v3_0324", false}},
      {"r1_0528_qwen3", {"deepseek_r1_0528", false}},
  };
  std::map<std::string, std::unique_ptr<ChatFormat>> formats;
  for (const auto& [file, form] : expected) {
    const std::string path = "families/templates/" + file + ".json";
    auto format = ChatFormat::Parse(golden::ReadText(golden::File(path)), path);
    ASSERT_TRUE(format.ok()) << format.status();
    EXPECT_EQ((*format)->Name(), form.first) << file;
    EXPECT_EQ((*format)->PromptOpensReasoning(), form.second) << file;
    formats[file] = std::move(format).value();
  }
  const json& cases = Families()["chat"];
  ASSERT_EQ(cases.size(), 172u);
  for (size_t i = 0; i < cases.size(); ++i) {
    auto rendered = formats.at(cases[i]["template"])
                        ->Render(golden::Messages(cases[i]["messages"]),
                                 cases[i]["add_generation_prompt"].get<bool>());
    ASSERT_TRUE(rendered.ok()) << "case " << i << ": " << rendered.status();
    EXPECT_EQ(*rendered, cases[i]["rendered"].get<std::string>())
        << "case " << i << " of " << cases[i]["template"];
  }
}

}  // namespace
}  // namespace conclave
