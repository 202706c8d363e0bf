# conclave_module(<name> [SRCS ...] [DEPS ...]): one static library target conclave::<name> per folder.
# Without SRCS every .cc file beside the CMakeLists.txt is taken; a folder without .cc is an interface.
# Includes are written from the repository root.
function(conclave_module name)
  cmake_parse_arguments(ARG "" "" "SRCS;DEPS" ${ARGN})
  if(NOT ARG_SRCS)
    file(GLOB ARG_SRCS CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/*.cc")
  endif()
  if(ARG_SRCS)
    add_library(conclave_${name} STATIC ${ARG_SRCS})
    target_include_directories(conclave_${name} PUBLIC ${CMAKE_SOURCE_DIR})
    target_link_libraries(conclave_${name} PUBLIC ${ARG_DEPS} Threads::Threads)
  else()
    add_library(conclave_${name} INTERFACE)
    target_include_directories(conclave_${name} INTERFACE ${CMAKE_SOURCE_DIR})
    target_link_libraries(conclave_${name} INTERFACE ${ARG_DEPS} Threads::Threads)
  endif()
  add_library(conclave::${name} ALIAS conclave_${name})
endfunction()

# conclave_test(<name> LABEL unit|contract|golden|cluster DEPS ...): one gtest binary out of every
# *_test.cc beside the CMakeLists.txt (or SRCS). Registered as ONE ctest case with the label, so that
# a binary's start-up cost is paid once.
function(conclave_test name)
  cmake_parse_arguments(ARG "" "LABEL;TIMEOUT" "SRCS;DEPS;ENV" ${ARGN})
  if(NOT ARG_SRCS)
    file(GLOB ARG_SRCS CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/*_test.cc")
  endif()
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 120)
  endif()
  add_executable(${name}_test ${ARG_SRCS})
  target_include_directories(${name}_test PRIVATE ${CMAKE_SOURCE_DIR})
  target_link_libraries(${name}_test PRIVATE ${ARG_DEPS} GTest::gmock GTest::gtest_main)
  add_test(NAME ${ARG_LABEL}.${name} COMMAND ${name}_test)
  set_tests_properties(${ARG_LABEL}.${name} PROPERTIES LABELS ${ARG_LABEL} TIMEOUT ${ARG_TIMEOUT}
    ENVIRONMENT "CONCLAVE_SOURCE_DIR=${CMAKE_SOURCE_DIR};CONCLAVE_BINARY_DIR=${CMAKE_BINARY_DIR};${ARG_ENV}")
endfunction()
