// Identifiers. Random ones come from the kernel's generator, so two processes never agree by
// accident.
#pragma once

#include <cstdint>
#include <string>

namespace conclave {

// One life of one process: fences messages of a process that comes back late. Never 0.
using Incarnation = uint64_t;

// 64 random bits, never 0. Thread-safe.
uint64_t RandomId();

// "prefix-" and 24 hexadecimal digits. Thread-safe.
std::string RandomName(const std::string& prefix);

}  // namespace conclave
