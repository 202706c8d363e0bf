// CONCLAVE_CHECK is for bugs only, never for input. It prints the place and the condition and
// aborts.
#pragma once

#include <cstdio>
#include <cstdlib>

#define CONCLAVE_CHECK(cond)                                                        \
  do {                                                                              \
    if (!(cond)) {                                                                  \
      std::fprintf(stderr, "%s:%d: check failed: %s\n", __FILE__, __LINE__, #cond); \
      std::abort();                                                                 \
    }                                                                               \
  } while (false)
