// Every golden chat: rendered text, and its ids.
#include <gtest/gtest.h>

#include "common/model/chat_format.h"
#include "tests/golden/tokenizer/chat_messages.h"
#include "tests/golden/tokenizer/golden_files.h"

namespace conclave {
namespace {

using nlohmann::json;

TEST(ChatGolden, AllRenderings) {
  std::map<std::string, std::unique_ptr<ChatFormat>> formats;
  for (const auto& [name, file] : {std::pair{"deepseek_v3", "tokenizer_config.json"},
                                   std::pair{"deepseek_r1", "tokenizer_config_r1.json"}}) {
    auto format = ChatFormat::Parse(golden::ReadText(golden::File(file)), file);
    ASSERT_TRUE(format.ok()) << format.status();
    EXPECT_EQ((*format)->Name(), name);
    EXPECT_FALSE((*format)->PromptOpensReasoning());
    formats[name] = std::move(format).value();
  }
  const json& cases = golden::Cases()["chat"];
  ASSERT_EQ(cases.size(), 24u);
  for (size_t i = 0; i < cases.size(); ++i) {
    auto rendered =
        formats.at(cases[i]["template"])
            ->Render(golden::Messages(cases[i]["messages"]), cases[i]["add_generation_prompt"]);
    ASSERT_TRUE(rendered.ok()) << "case " << i << ": " << rendered.status();
    EXPECT_EQ(*rendered, cases[i]["rendered"].get<std::string>()) << "case " << i;
    auto ids = golden::DeepseekV3Tokenizer().Encode(*rendered);
    ASSERT_TRUE(ids.ok()) << "case " << i << ": " << ids.status();
    EXPECT_EQ(*ids, cases[i]["ids"].get<std::vector<TokenId>>()) << "case " << i;
  }
}

}  // namespace
}  // namespace conclave
