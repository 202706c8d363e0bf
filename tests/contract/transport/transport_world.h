// The transports of one test, all of one backend, so that a suite runs unchanged over every
// backend.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <stdexcept>
#include <string>

#include "common/transport/backends/inproc/inproc_transport.h"
#include "common/transport/backends/ucx/ucx_transport.h"

namespace conclave {

class TransportWorld {
 public:
  explicit TransportWorld(const std::string& backend) : backend_(backend), hub_(MakeInprocHub()) {}

  std::unique_ptr<Transport> Make(Incarnation incarnation = 0) {
    if (backend_ == "inproc") {
      InprocOptions options;
      options.incarnation = incarnation;
      return MakeInprocTransport(hub_, options);
    }
    UcxOptions options;
    options.incarnation = incarnation;
    auto transport = MakeUcxTransport(options);
    // Ends the test, not the suite: no test can go on without its transport.
    if (!transport.ok()) throw std::runtime_error(Message(transport.status()));
    return *std::move(transport);
  }

 private:
  const std::string backend_;
  const std::shared_ptr<InprocHub> hub_;
};

}  // namespace conclave
