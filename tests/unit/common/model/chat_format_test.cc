#include "common/model/chat_format.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/unit/common/model/files.h"

namespace conclave {
namespace {

using nlohmann::json;
using testing::HasSubstr;

// The parts by which a template of R1's form is known, without tools.
std::string SmallTemplate(const std::string& generation_prompt) {
  return "{{ bos_token }}{{ ns.system_prompt }}{{'<｜User｜>' + message['content']}}"
         "{% set content = content.split('</think>')[-1] %}{{'<｜Assistant｜>' + content + "
         "'<｜end▁of▁sentence｜>'}}"
         "{% if add_generation_prompt and not ns.is_tool %}{{'" +
         generation_prompt + "'}}{% endif %}";
}

json Config(const std::string& chat_template) {
  return {{"bos_token", "<B>"}, {"chat_template", chat_template}};
}

TEST(ChatFormat, RendersASmallTemplateOfR1sForm) {
  auto format = ChatFormat::Parse(Config(SmallTemplate("<｜Assistant｜>")).dump(), "config");
  ASSERT_TRUE(format.ok()) << format.status();
  EXPECT_EQ((*format)->Name(), "deepseek_r1");
  EXPECT_FALSE((*format)->PromptOpensReasoning());
  const std::vector<ChatMessage> messages = {{"user", "1+1?"},
                                             {"assistant", "<think>\neasy\n</think>\n\n2"},
                                             {"system", "Be brief."},
                                             {"user", "2+2?"}};
  EXPECT_EQ(
      *(*format)->Render(messages, true),
      "<B>Be "
      "brief.<｜User｜>1+1?<｜Assistant｜>\n\n2<｜end▁of▁sentence｜><｜User｜>2+2?<｜Assistant｜>");
  EXPECT_THAT(Message((*format)->Render({{"tool", "x"}}, true).status()), HasSubstr("tools"));
}

TEST(ChatFormat, KnowsPromptsThatOpenReasoning) {
  for (const std::string prompt :
       {"<｜Assistant｜><think>", "<｜Assistant｜><think>\\n", "<｜Assistant｜><think>\n"}) {
    auto format = ChatFormat::Parse(Config(SmallTemplate(prompt)).dump(), "config");
    ASSERT_TRUE(format.ok()) << format.status();
    EXPECT_TRUE((*format)->PromptOpensReasoning());
    EXPECT_THAT(*(*format)->Render({{"user", "x"}}, true),
                HasSubstr("<｜User｜>x<｜Assistant｜><think>"));
    EXPECT_EQ(*(*format)->Render({{"user", "x"}}, false), "<B><｜User｜>x");
  }
}

TEST(ChatFormat, RefusesMessagesThatNoTemplateExpresses) {
  auto format = ChatFormat::Parse(Config(SmallTemplate("<｜Assistant｜>")).dump(), "config");
  ASSERT_TRUE(format.ok());
  ChatMessage nothing{.role = "assistant", .content_is_null = true};
  ChatMessage user_calls{.role = "user", .content = "x", .tool_calls = {{"function", "f", "{}"}}};
  const std::pair<std::vector<ChatMessage>, const char*> cases[] = {
      {{}, "messages is empty"},
      {{{"user", "x"}, {"developer", "y"}}, "messages[1].role is \"developer\""},
      {{{"", "x"}}, "messages[0].role"},
      {{{"a" + std::string(32, 'b') + "éééééééééééééééééééé", "x"}}, "é...\""},
      {{nothing}, "messages[0].content is null"},
      {{user_calls}, "tool_calls"},
  };
  for (const auto& [messages, part] : cases) {
    auto rendered = (*format)->Render(messages, true);
    EXPECT_TRUE(absl::IsInvalidArgument(rendered.status()));
    EXPECT_THAT(Message(rendered.status()), HasSubstr(part));
  }
}

TEST(ChatFormat, RefusesTemplatesOfOtherForms) {
  const std::string good = SmallTemplate("<｜Assistant｜>");
  json no_bos = Config(good), odd_bos = Config(good);
  no_bos.erase("bos_token");
  odd_bos["bos_token"] = {{"lstrip", false}};
  const std::pair<json, const char*> cases[] = {
      {json::array(), "not an object"},
      {json::object(), "chat_template is missing"},
      {{{"chat_template", 5}}, "chat_template is 5"},
      {Config("{{ messages }}"), "unknown form"},
      {Config("<|im_start|>user"), "unknown form"},
      {Config(good + "{% if ns.is_last_user %}"), "unknown form"},
      {Config(good + "{% if thinking %}"), "unknown form"},
      {Config(SmallTemplate("<|bot|>")), "generation prompt"},
      {no_bos, "bos_token"},
      {odd_bos, "bos_token"},
  };
  for (const auto& [config, part] : cases) {
    auto format = ChatFormat::Parse(config.dump(), "dir/tokenizer_config.json");
    ASSERT_FALSE(format.ok()) << config;
    EXPECT_TRUE(absl::IsInvalidArgument(format.status()));
    EXPECT_THAT(Message(format.status()), HasSubstr(part));
    EXPECT_THAT(Message(format.status()), HasSubstr("dir/tokenizer_config.json"));
  }
}

// Every message by its role alone.
std::string TurnsTemplate() {
  return "{{ bos_token }}{% for message in messages %}{% if message['role'] == 'user' %}{{ 'U:' + "
         "message['content'] + '\\n' }}{% elif message['role'] == 'assistant' %}{{ 'A:' + "
         "message['content'] + eos_token }}{% elif message['role'] == 'system' %}{{ "
         "message['content'] }}{% endif %}{% endfor %}{% if add_generation_prompt %}{{ 'A:' }}"
         "{% endif %}";
}

TEST(ChatFormat, RendersTurnsWithTheFilesTokens) {
  json config = Config(TurnsTemplate());
  config["eos_token"] = {{"content", "<E>"}};
  auto format = ChatFormat::Parse(config.dump(), "config");
  ASSERT_TRUE(format.ok()) << format.status();
  EXPECT_EQ((*format)->Name(), "deepseek_v2");
  EXPECT_FALSE((*format)->PromptOpensReasoning());
  EXPECT_EQ(
      *(*format)->Render({{"system", "S"}, {"user", "x"}, {"assistant", "y"}, {"user", "z"}}, true),
      "<B>SU:x\nA:y<E>U:z\nA:");
  EXPECT_THAT(Message((*format)->Render({{"tool", "x"}}, true).status()), HasSubstr("tools"));

  config.erase("eos_token");
  EXPECT_THAT(Message(ChatFormat::Parse(config.dump(), "config").status()), HasSubstr("eos_token"));
  config["eos_token"] = "<E>";
  for (const char* tail : {" ", "{{ x }}", "{% if y %}{% endif %}"}) {
    config["chat_template"] = TurnsTemplate() + tail;
    EXPECT_THAT(Message(ChatFormat::Parse(config.dump(), "config").status()),
                HasSubstr("unknown form"));
  }
}

TEST(ChatFormat, TakesTheDefaultOfNamedTemplates) {
  json config = Config("");
  config["chat_template"] = {{{"name", "tool_use"}, {"template", "{{ x }}"}},
                             {{"name", "default"}, {"template", SmallTemplate("<｜Assistant｜>")}}};
  EXPECT_TRUE(ChatFormat::Parse(config.dump(), "config").ok());
  config["chat_template"].erase(1);
  EXPECT_FALSE(ChatFormat::Parse(config.dump(), "config").ok());
}

TEST(ChatFormat, ATemplateFileOfItsOwnWins) {
  testing_files::TempDir dir;
  json config = Config("{{ other }}");
  dir.Write("tokenizer_config.json", config.dump());
  EXPECT_FALSE(ChatFormat::Load(dir.path()).ok());
  dir.Write("chat_template.jinja", SmallTemplate("<｜Assistant｜><think>\n"));
  auto format = ChatFormat::Load(dir.path());
  ASSERT_TRUE(format.ok()) << format.status();
  EXPECT_TRUE((*format)->PromptOpensReasoning());
  dir.Write("chat_template.jinja", "{{ other }}");
  EXPECT_THAT(Message(ChatFormat::Load(dir.path()).status()), HasSubstr("chat_template.jinja"));
}

TEST(ChatFormat, LoadNamesTheFile) {
  testing_files::TempDir dir;
  EXPECT_TRUE(absl::IsNotFound(ChatFormat::Load(dir.path()).status()));
  dir.Write("tokenizer_config.json", "nonsense");
  EXPECT_THAT(Message(ChatFormat::Load(dir.path()).status()), HasSubstr("tokenizer_config.json"));
  dir.Write("tokenizer_config.json", Config(SmallTemplate("<｜Assistant｜>")).dump());
  EXPECT_TRUE(ChatFormat::Load(dir.path()).ok());
}

}  // namespace
}  // namespace conclave
