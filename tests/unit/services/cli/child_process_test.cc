#include "services/cli/up/child_process.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "common/base/clock.h"
#include "common/base/ids.h"

namespace conclave {
namespace {

class ChildProcessTest : public testing::Test {
 protected:
  ChildProcessTest() : log_(testing::TempDir() + "/" + RandomName("child") + ".log") {}
  ~ChildProcessTest() override { std::filesystem::remove(log_); }

  absl::StatusOr<ChildProcess> Run(std::vector<std::string> argv) {
    return ChildProcess::Spawn({"child", argv, log_});
  }
  static bool ReapWithin(ChildProcess& child, std::chrono::seconds limit) {
    for (const SteadyTime end = After(limit); Now() < end; usleep(2000)) {
      if (child.Reap()) return true;
    }
    return false;
  }

  std::string log_;
};

TEST_F(ChildProcessTest, OutputGoesToTheLogAndTheStatusIsTold) {
  auto child = Run({"sh", "-c", "echo one; echo two >&2; echo three; exit 3"});
  ASSERT_TRUE(child.ok()) << child.status();
  ASSERT_TRUE(ReapWithin(*child, std::chrono::seconds(10)));
  EXPECT_FALSE(child->running());
  EXPECT_EQ(child->EndText(), "exited with status 3");
  EXPECT_EQ(LogTail(log_, 2), "    two\n    three\n");
}

TEST_F(ChildProcessTest, AProgramThatIsNotThereIsAnErrorThatNamesIt) {
  auto child = Run({"/nonexistent/program"});
  ASSERT_FALSE(child.ok());
  EXPECT_EQ(child.status().code(), absl::StatusCode::kNotFound);
  EXPECT_NE(Message(child.status()).find("/nonexistent/program"), std::string::npos);
}

TEST_F(ChildProcessTest, StopEndsOneThatIgnoresSigterm) {
  auto child = Run({"sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.05; done"});
  ASSERT_TRUE(child.ok()) << child.status();
  for (const SteadyTime end = After(std::chrono::seconds(10));
       LogTail(log_, 1).empty() && Now() < end; usleep(2000)) {
  }
  StopChildren({&*child}, std::chrono::milliseconds(50));
  EXPECT_FALSE(child->running());
  EXPECT_NE(child->EndText().find("signal 9"), std::string::npos);
}

TEST_F(ChildProcessTest, StopEndsAFrozenOne) {
  auto child = Run({"sleep", "100"});
  ASSERT_TRUE(child.ok()) << child.status();
  child->Signal(SIGSTOP);
  StopChildren({&*child}, std::chrono::seconds(10));
  EXPECT_NE(child->EndText().find("signal 15"), std::string::npos);
}

}  // namespace
}  // namespace conclave
