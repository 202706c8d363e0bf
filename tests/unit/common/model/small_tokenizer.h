// A small tokenizer.json to vary: 256 byte tokens, a few merges, a few added tokens.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "common/model/byte_level.h"
#include "common/model/utf8.h"

namespace conclave::testing_files {

inline std::string ByteText(int byte) {
  std::string text;
  AppendUtf8(ByteLevelAlphabet()[byte], text);
  return text;
}

inline nlohmann::json AddedToken(int id, const std::string& content, bool special,
                                 bool normalized) {
  return {{"id", id},        {"content", content}, {"single_word", false},    {"lstrip", false},
          {"rstrip", false}, {"special", special}, {"normalized", normalized}};
}

// Ids: byte b is b; 256 "ab", 257 "abc", 258 "bc", 259 " a" (as Ġa); added tokens from 260.
inline nlohmann::json SmallTokenizer() {
  using nlohmann::json;
  json vocab = json::object();
  for (int byte = 0; byte < 256; ++byte) vocab[ByteText(byte)] = byte;
  vocab["ab"] = 256;
  vocab["abc"] = 257;
  vocab["bc"] = 258;
  vocab["Ġa"] = 259;
  return {
      {"version", "1.0"},
      {"added_tokens",
       {AddedToken(260, "<s>", true, false), AddedToken(261, "<say>", false, true),
        AddedToken(262, "<say>hi", false, true), AddedToken(263, "y><s>", false, true)}},
      {"normalizer", nullptr},
      {"pre_tokenizer",
       {{"type", "Sequence"},
        {"pretokenizers",
         {{{"type", "Split"},
           {"pattern", {{"Regex", "\\p{N}{1,3}"}}},
           {"behavior", "Isolated"},
           {"invert", false}},
          {{"type", "Split"},
           {"pattern", {{"Regex", " ?[a-z]+|\\s+(?!\\S)|\\s+"}}},
           {"behavior", "Isolated"},
           {"invert", false}},
          {{"type", "ByteLevel"},
           {"add_prefix_space", false},
           {"trim_offsets", true},
           {"use_regex", false}}}}}},
      {"post_processor", nullptr},
      {"decoder",
       {{"type", "ByteLevel"},
        {"add_prefix_space", true},
        {"trim_offsets", true},
        {"use_regex", true}}},
      {"model",
       {{"type", "BPE"},
        {"dropout", nullptr},
        {"unk_token", nullptr},
        {"continuing_subword_prefix", nullptr},
        {"end_of_word_suffix", nullptr},
        {"fuse_unk", false},
        {"byte_fallback", false},
        {"vocab", vocab},
        {"merges", {"b c", "a b", "ab c", "Ġ a"}}}},
  };
}

}  // namespace conclave::testing_files
