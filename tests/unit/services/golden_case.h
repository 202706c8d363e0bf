// The tiny golden model that tests of the roles run on.
#pragma once

#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace conclave {

inline std::string GoldenDir() {
  return std::string(std::getenv("CONCLAVE_SOURCE_DIR")) + "/tests/golden/models/deepseek_v3-bf16";
}

struct Golden {
  std::vector<int32_t> prompt, greedy;
  static Golden Load() {
    std::ifstream file(GoldenDir() + "/golden.json");
    const auto json = nlohmann::json::parse(file);
    return {json["input_ids"].get<std::vector<int32_t>>(),
            json["greedy_tokens"].get<std::vector<int32_t>>()};
  }
};

}  // namespace conclave
