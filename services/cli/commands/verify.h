// `conclave verify DIR`: does this engine compute what an independent implementation computed?
#pragma once

#include <iosfwd>
#include <string>

namespace conclave {

struct VerifyOptions {
  std::string dir;                // config.json, checkpoint and golden.safetensors
  std::string mode = "f32";       // f32, bf16, int8 or w8a8
  std::string kv_cache = "auto";  // auto, fp8 or bf16
  int threads = 1;
  bool json = false;
};

// Prints one line per kind of tensor. Exit status: 0 when all lie within the tolerance, 1 on a
// miss, 2 when the comparison could not be made.
int RunVerify(const VerifyOptions& options, std::ostream& out, std::ostream& err);

}  // namespace conclave
