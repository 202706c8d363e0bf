// Golden cases with one changed value.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "common/engine/verify.h"

namespace conclave {

// A copy of a golden case that a test may change. Removed with the test.
class PerturbedCase : public testing::Test {
 protected:
  std::filesystem::path dir_ =
      std::filesystem::path(testing::TempDir()) /
      (std::string("perturbed_") +
       testing::UnitTest::GetInstance()->current_test_info()->test_suite_name() + "_" +
       testing::UnitTest::GetInstance()->current_test_info()->name());

  void Copy(const std::string& name) {
    std::filesystem::remove_all(dir_);
    std::filesystem::copy(
        std::string(std::getenv("CONCLAVE_SOURCE_DIR")) + "/tests/golden/models/" + name, dir_);
    for (const auto& file : std::filesystem::directory_iterator(dir_))
      std::filesystem::permissions(file, std::filesystem::perms::owner_write,
                                   std::filesystem::perm_options::add);
  }
  void TearDown() override { std::filesystem::remove_all(dir_); }

  // Changes one element of a tensor in place.
  template <typename T, typename F>
  void Change(const std::string& file, const std::string& tensor, int64_t element, F change) {
    std::fstream stream(dir_ / file, std::ios::in | std::ios::out | std::ios::binary);
    uint64_t header_bytes = 0;
    stream.read(reinterpret_cast<char*>(&header_bytes), 8);
    std::string header(header_bytes, ' ');
    stream.read(header.data(), static_cast<std::streamsize>(header_bytes));
    const int64_t begin = nlohmann::json::parse(header)[tensor]["data_offsets"][0];
    const auto at = static_cast<std::streamoff>(8 + header_bytes + begin + element * sizeof(T));
    T value;
    stream.seekg(at);
    stream.read(reinterpret_cast<char*>(&value), sizeof(T));
    value = change(value);
    stream.seekp(at);
    stream.write(reinterpret_cast<const char*>(&value), sizeof(T));
    ASSERT_TRUE(stream.good());
  }
  std::vector<std::string> Misses(ComputeMode mode = ComputeMode::kF32) {
    std::vector<std::string> misses;
    const auto report = Verify({.dir = dir_.string(), .mode = mode});
    EXPECT_TRUE(report.ok()) << report.status();
    for (const VerifyLine& line : report->lines)
      if (!line.ok()) misses.push_back(line.kind);
    return misses;
  }
  using Kinds = std::vector<std::string>;
};

inline constexpr const char* kGolden = "golden.safetensors";

}  // namespace conclave
