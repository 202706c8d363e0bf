// The other end of the process tests: says its address on stdout (hexadecimal, one line), reads the
// test's address from stdin, then echoes dispatches as results until it is killed or its stdin
// ends.
#include <signal.h>
#include <sys/prctl.h>

#include <cstdio>
#include <iostream>
#include <string>

#include "common/transport/backends/ucx/ucx_transport.h"
#include "tests/contract/transport/collector.h"
#include "tests/contract/transport/hex.h"

int main() {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  auto transport = conclave::MakeUcxTransport();
  if (!transport.ok()) return 1;
  std::printf("%s\n", conclave::ToHex((*transport)->Address()).c_str());
  std::fflush(stdout);
  std::string line;
  if (!std::getline(std::cin, line)) return 1;
  auto back = (*transport)->Connect(conclave::FromHex(line), nullptr);
  if (!back.ok()) return 1;
  (*transport)->SetHandler(conclave::Channel::kKvPush, [](const conclave::IncomingMessage&) {});
  (*transport)->SetHandler(conclave::Channel::kExpertDispatch, conclave::Echo(*back));
  std::printf("ready\n");
  std::fflush(stdout);
  std::getline(std::cin, line);
  (*transport)->Stop();
  return 0;
}
