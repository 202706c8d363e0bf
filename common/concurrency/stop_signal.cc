#include "common/concurrency/stop_signal.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>

#include "common/base/check.h"

namespace conclave {
namespace {

sigset_t StopSignals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  return set;
}

}  // namespace

void BlockStopSignals() {
  const sigset_t set = StopSignals();
  CONCLAVE_CHECK(pthread_sigmask(SIG_BLOCK, &set, nullptr) == 0);
  signal(SIGPIPE, SIG_IGN);
}

int WaitForStopSignal() {
  const sigset_t set = StopSignals();
  int received = 0;
  int rc;
  do {
    rc = sigwait(&set, &received);
  } while (rc == EINTR);
  CONCLAVE_CHECK(rc == 0);
  return received;
}

}  // namespace conclave
