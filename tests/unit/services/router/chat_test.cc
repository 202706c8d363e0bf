// The terminal chat against a router.
#include "services/cli/commands/chat.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

#include "tests/unit/services/router/router_world.h"

namespace conclave {
namespace {

using testing::HasSubstr;

class ChatTest : public testing::Test {
 protected:
  ChatTest() { options_.address = world_.grpc(); }
  int Talk(const std::string& input) {
    std::istringstream in(input);
    return RunChat(options_, in, out_, err_);
  }
  RouterWorld world_;
  ChatOptions options_;
  std::ostringstream out_, err_;
};

TEST_F(ChatTest, OneShotPrintsTheAnswerAlone) {
  world_.SetScript(Say("<think>\n8+7\n</think>\n\n125"));
  options_.prompt = "What is 48 + 77?";
  options_.temperature = 0;
  EXPECT_EQ(Talk(""), 0);
  EXPECT_EQ(out_.str(), "125\n");
  EXPECT_EQ(err_.str(), "8+7\n");
  EXPECT_EQ(world_.LastRequest().temperature, 0);
}

TEST_F(ChatTest, OneShotFailsClearly) {
  DecodeScript script;
  script.error = Unavailable("the last expert host is gone");
  world_.SetScript(script);
  options_.prompt = "x";
  EXPECT_EQ(Talk(""), 1);
  EXPECT_EQ(out_.str(), "");
  EXPECT_THAT(err_.str(), HasSubstr("the last expert host is gone"));
}

TEST_F(ChatTest, KeepsTheHistoryUntilReset) {
  world_.SetScript(Say("<think>\nhm\n</think>\n\nHello!"));
  options_.system = "be short";
  EXPECT_EQ(Talk("hi\n"), 0);
  const size_t one_turn = world_.LastRequest().prompt_ids.size();
  EXPECT_EQ(Talk("hi\nhi\n"), 0);
  EXPECT_GT(world_.LastRequest().prompt_ids.size(), one_turn);
  EXPECT_EQ(Talk("hi\n/reset\nhi\n/quit\nnever asked\n"), 0);
  EXPECT_EQ(world_.LastRequest().prompt_ids.size(), one_turn);
  EXPECT_THAT(out_.str(), HasSubstr("hm\nHello!\n"));
  EXPECT_THAT(out_.str(), testing::Not(HasSubstr("\033[")));  // not a terminal
}

TEST_F(ChatTest, AnErrorEndsOnlyTheTurn) {
  DecodeScript script;
  script.error = Internal("broken");
  world_.SetScript(script);
  EXPECT_EQ(Talk("hi\n/help\n/wrong\n"), 0);
  EXPECT_THAT(err_.str(), HasSubstr("broken"));
  EXPECT_THAT(out_.str(), HasSubstr("/reset"));
  EXPECT_THAT(out_.str(), HasSubstr("There is no command /wrong"));
}

TEST(Chat, NobodyThere) {
  ChatOptions options;
  options.address = "127.0.0.1:1";
  options.timeout_s = 5;
  std::istringstream in;
  std::ostringstream out, err;
  EXPECT_EQ(RunChat(options, in, out, err), 1);
  EXPECT_THAT(err.str(), HasSubstr("127.0.0.1:1"));
  options.address = "nonsense";
  EXPECT_EQ(RunChat(options, in, out, err), 1);
  EXPECT_THAT(err.str(), HasSubstr("host:port"));
}

}  // namespace
}  // namespace conclave
