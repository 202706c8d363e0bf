// The model in deploy/model is read by the same code as DeepSeek's own files.
#include <gtest/gtest.h>

#include <algorithm>

#include "common/model/chat_format.h"
#include "common/model/checkpoint.h"
#include "common/model/model_config.h"
#include "tests/golden/tokenizer/golden_files.h"

namespace conclave {
namespace {

class BundledModel : public testing::Test {
 protected:
  const std::string dir_ = golden::File("../../../deploy/model").lexically_normal();
};

TEST_F(BundledModel, TokenizerFitsTheConfiguration) {
  auto config = LoadModelConfig(dir_);
  ASSERT_TRUE(config.ok()) << config.status();
  auto tokenizer = Tokenizer::Load(dir_);
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  EXPECT_LE((*tokenizer)->VocabSize(), config->vocab_size);
  EXPECT_EQ((*tokenizer)->FindToken("<｜begin▁of▁sentence｜>"), config->bos_token_id);
  EXPECT_EQ((*tokenizer)->FindToken("<｜end▁of▁sentence｜>"), config->eos_token_id);
  for (const auto& item : golden::Cases()["encode"]) {
    const std::string text = item["text"];
    auto ids = (*tokenizer)->Encode(text);
    ASSERT_TRUE(ids.ok()) << ids.status();
    EXPECT_EQ(*(*tokenizer)->Decode(*ids, false), text);
  }
}

TEST_F(BundledModel, ChatIsR1sAndItsMarksAreTokens) {
  auto format = ChatFormat::Load(dir_);
  ASSERT_TRUE(format.ok()) << format.status();
  EXPECT_EQ((*format)->Name(), "deepseek_r1");
  auto tokenizer = Tokenizer::Load(dir_);
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  auto prompt = (*format)->Render({{"user", "hi"}}, true);
  ASSERT_TRUE(prompt.ok()) << prompt.status();
  auto ids = (*tokenizer)->Encode(*prompt);
  ASSERT_TRUE(ids.ok()) << ids.status();
  EXPECT_EQ(ids->front(), (*tokenizer)->FindToken("<｜begin▁of▁sentence｜>"));
  EXPECT_EQ((*ids)[1], (*tokenizer)->FindToken("<｜User｜>"));
  EXPECT_NE(std::find(ids->begin(), ids->end(), (*tokenizer)->FindToken("<｜Assistant｜>")),
            ids->end());
}

TEST_F(BundledModel, WeightsOpen) {
  auto config = LoadModelConfig(dir_);
  ASSERT_TRUE(config.ok()) << config.status();
  auto checkpoint = Checkpoint::Open(dir_);
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
  auto embedding =
      (*checkpoint)->Get("model.embed_tokens.weight", {config->vocab_size, config->hidden_size});
  EXPECT_TRUE(embedding.ok()) << embedding.status();
}

}  // namespace
}  // namespace conclave
