#include "common/base/ids.h"

#include <fmt/format.h>
#include <sys/random.h>

#include "common/base/check.h"

namespace conclave {

uint64_t RandomId() {
  uint64_t value = 0;
  while (value == 0) CONCLAVE_CHECK(getrandom(&value, sizeof(value), 0) == sizeof(value));
  return value;
}

std::string RandomName(const std::string& prefix) {
  return fmt::format("{}-{:016x}{:08x}", prefix, RandomId(), static_cast<uint32_t>(RandomId()));
}

}  // namespace conclave
