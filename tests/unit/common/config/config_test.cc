#include "common/config/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>

namespace conclave {
namespace {

using testing::HasSubstr;

struct Settings {
  std::string etcd = "127.0.0.1:2379", mode = "bf16", model;
  int port = 8080;
  int64_t bytes = 1 << 20;
  double ratio = 0.5;
  bool chat = false;
};

class ConfigTest : public testing::Test {
 protected:
  ConfigTest() : parser_("decode", "Runs a decode worker.") {
    parser_.Add("etcd", &s_.etcd, "etcd endpoints");
    parser_.Add("port", &s_.port, "port", 0, 65535);
    parser_.Add("bytes", &s_.bytes, "bytes", int64_t{1}, int64_t{1} << 40);
    parser_.Add("ratio", &s_.ratio, "ratio", 0.0, 1.0);
    parser_.Add("chat", &s_.chat, "open a chat");
    parser_.AddChoice("mode", &s_.mode, "compute mode", {"f32", "bf16"});
    parser_.AddPositional("model", &s_.model, "model folder", false);
  }
  ~ConfigTest() override {
    if (!file_.empty()) unlink(file_.c_str());
  }
  absl::Status Parse(const std::vector<std::string>& args) {
    return parser_.Parse(args, &exit_now_);
  }
  std::string WriteFile(const std::string& text) {
    char path[] = "/tmp/conclave-config-XXXXXX";
    const int fd = mkstemp(path);
    EXPECT_EQ(write(fd, text.data(), text.size()), static_cast<ssize_t>(text.size()));
    close(fd);
    return file_ = path;
  }

  Settings s_;
  ConfigParser parser_;
  bool exit_now_ = false;
  std::string file_;
};

TEST_F(ConfigTest, DefaultsStandWithoutFlags) {
  ASSERT_TRUE(Parse({}).ok());
  EXPECT_EQ(s_.port, 8080);
  EXPECT_FALSE(exit_now_);
}

TEST_F(ConfigTest, FlagsInBothSpellingsAndPositionals) {
  const absl::Status status =
      Parse({"--port", "1", "--etcd=a:1,b:2", "dir", "--bytes=1099511627776", "--ratio", "1",
             "--mode", "f32", "--chat"});
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(s_.port, 1);
  EXPECT_EQ(s_.etcd, "a:1,b:2");
  EXPECT_EQ(s_.model, "dir");
  EXPECT_EQ(s_.bytes, int64_t{1} << 40);
  EXPECT_EQ(s_.ratio, 1.0);
  EXPECT_EQ(s_.mode, "f32");
  EXPECT_TRUE(s_.chat);
}

TEST_F(ConfigTest, BooleansCanBeSwitchedOff) {
  s_.chat = true;
  ASSERT_TRUE(Parse({"--chat=false"}).ok());
  EXPECT_FALSE(s_.chat);
  ASSERT_TRUE(Parse({"--chat=true"}).ok());
  EXPECT_TRUE(s_.chat);
}

TEST_F(ConfigTest, ErrorsNameFlagValueAndRange) {
  const struct {
    std::vector<std::string> args;
    std::vector<std::string> parts;
  } cases[] = {
      {{"--port", "70000"}, {"--port", "70000", "0..65535"}},
      {{"--port=-1"}, {"--port", "-1", "0..65535"}},
      {{"--port", "-1"}, {"--port", "-1", "0..65535"}},
      {{"--port", "80x"}, {"--port", "80x", "whole number"}},
      {{"--port", "99999999999999999999"}, {"--port", "0..65535"}},
      {{"--ratio", "nan"}, {"--ratio", "nan", "0..1"}},
      {{"--mode", "fp4"}, {"--mode", "fp4", "f32, bf16"}},
      {{"--chat=maybe"}, {"chat"}},
      {{"--prot", "1"}, {"--prot", "did you mean --port?"}},
      {{"--port"}, {"--port"}},
      {{"dir", "another"}, {"another"}},
  };
  for (const auto& c : cases) {
    const absl::Status status = Parse(c.args);
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << testing::PrintToString(c.args) << " " << status;
    for (const std::string& part : c.parts) EXPECT_THAT(Message(status), HasSubstr(part));
  }
  EXPECT_EQ(s_.port, 8080);
}

TEST_F(ConfigTest, RequiredMayComeFromFlagOrFile) {
  std::string name;
  parser_.Add("name", &name, "member id", true);
  EXPECT_THAT(Message(Parse({})), HasSubstr("--name is required"));
  EXPECT_TRUE(Parse({"--name", "x"}).ok());
  EXPECT_TRUE(Parse({"--config", WriteFile("name: y\n")}).ok());
  EXPECT_EQ(name, "y");
}

TEST_F(ConfigTest, FlagsWinOverTheFileAndTheFileOverDefaults) {
  const std::string file = WriteFile("# a comment\nport: 9000\nchat: yes\nmode: f32\n");
  const absl::Status status = Parse({"--config", file, "--port", "9001"});
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(s_.port, 9001);
  EXPECT_TRUE(s_.chat);
  EXPECT_EQ(s_.mode, "f32");
}

TEST_F(ConfigTest, FileErrorsNameFileLineKeyAndRange) {
  const struct {
    const char* text;
    std::vector<std::string> parts;
  } cases[] = {
      {"chat: no\nport: 70000\n", {"line 2", "'port'", "70000", "0..65535"}},
      {"prot: 1\n", {"line 1", "'prot'", "did you mean 'port'"}},
      {"port: [1, 2]\n", {"'port'", "one plain value"}},
      {"port: 1\nport: 2\n", {"twice"}},
      {"- 1\n", {"YAML map"}},
      {"a: b: c\n", {"not valid YAML"}},
  };
  for (const auto& c : cases) {
    const std::string file = WriteFile(c.text);
    const absl::Status status = Parse({"--config", file});
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << c.text << " " << status;
    EXPECT_THAT(Message(status), HasSubstr(file));
    for (const std::string& part : c.parts) EXPECT_THAT(Message(status), HasSubstr(part));
    unlink(file.c_str());
  }
  EXPECT_TRUE(absl::IsNotFound(Parse({"--config", "/nonexistent/x.yaml"})));
}

TEST_F(ConfigTest, PrintedSettingsReadBackTheSame) {
  ASSERT_TRUE(Parse({"--port", "1234", "--etcd", "x: 'y' #z", "--ratio", "0.1", "--chat"}).ok());
  const std::string printed = parser_.Print();
  s_ = Settings();
  const absl::Status status = Parse({"--config", WriteFile(printed)});
  ASSERT_TRUE(status.ok()) << status << printed;
  EXPECT_EQ(parser_.Print(), printed);
  EXPECT_EQ(s_.port, 1234);
  EXPECT_EQ(s_.etcd, "x: 'y' #z");
}

TEST_F(ConfigTest, HelpListsEverythingAndExits) {
  testing::internal::CaptureStdout();
  ASSERT_TRUE(Parse({"--help"}).ok());
  const std::string text = testing::internal::GetCapturedStdout();
  EXPECT_TRUE(exit_now_);
  EXPECT_EQ(text, parser_.Help());
  for (const char* part :
       {"conclave decode", "[MODEL]", "--port VALUE", "0..65535", "default: 8080", "--config"}) {
    EXPECT_THAT(text, HasSubstr(part));
  }
}

TEST_F(ConfigTest, PrintConfigPrintsAndExits) {
  testing::internal::CaptureStdout();
  ASSERT_TRUE(Parse({"--print-config", "--port", "7"}).ok());
  EXPECT_THAT(testing::internal::GetCapturedStdout(), HasSubstr("port: 7"));
  EXPECT_TRUE(exit_now_);
}

}  // namespace
}  // namespace conclave
