#include "common/concurrency/stop_signal.h"

#include <gtest/gtest.h>
#include <pthread.h>
#include <signal.h>

#include <thread>

namespace conclave {
namespace {

TEST(StopSignal, WaitReturnsTheSignalThatCame) {
  sigset_t before;
  pthread_sigmask(SIG_SETMASK, nullptr, &before);
  BlockStopSignals();
  for (int wanted : {SIGTERM, SIGINT}) {
    int received = 0;
    std::thread waiter([&] { received = WaitForStopSignal(); });
    pthread_kill(waiter.native_handle(), wanted);
    waiter.join();
    EXPECT_EQ(received, wanted);
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

}  // namespace
}  // namespace conclave
