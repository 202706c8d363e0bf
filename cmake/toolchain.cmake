# Compiler flags, ccache and mold. -O2 without -march=native: kernels pick their instruction set at
# run time. -ffp-contract=off: the compiler must not fuse multiply-adds behind our back, since law 1
# (same request, same bits) has to hold across differently inlined copies of one loop.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
endif()
set(CMAKE_CXX_FLAGS_RELEASE "-O2")
add_compile_options(-Wall -Wextra -Wno-unused-parameter -Wno-missing-field-initializers -ffp-contract=off)
if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  add_compile_options(-Wthread-safety)
endif()

find_program(CCACHE_PROGRAM ccache)
if(CCACHE_PROGRAM)
  # Relative paths in the cache key: several build folders beside each other share their objects.
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env CCACHE_BASEDIR=${CMAKE_SOURCE_DIR}
      CCACHE_NOHASHDIR=1 ${CCACHE_PROGRAM})
endif()
find_program(MOLD_PROGRAM mold)
if(MOLD_PROGRAM)
  add_link_options(-fuse-ld=mold)
endif()

if(CONCLAVE_SANITIZER)
  add_compile_options(-fsanitize=${CONCLAVE_SANITIZER} -g -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${CONCLAVE_SANITIZER})
endif()
find_package(Threads REQUIRED)
