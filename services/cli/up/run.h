// `conclave up`: a whole cluster on this machine, one process per role instance.
#pragma once

#include <string>
#include <vector>

namespace conclave {

// Returns the exit status. Everything it started has ended when it returns, whatever happened.
int RunUp(const std::vector<std::string>& args);

}  // namespace conclave
