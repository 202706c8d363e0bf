// One setting: its name, where its value lives, and how text becomes that value. Included by this
// folder's .cc files only.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "common/base/status.h"

namespace conclave {

struct Setting {
  std::string name;
  std::string help;
  std::string allowed;       // "1..65535", "one of a, b", "true or false"; empty: any text
  std::string default_text;  // as it was when added
  bool is_flag = false;      // a boolean: --name alone means true
  bool positional = false;
  bool required = false;
  std::function<bool(const std::string&)> set;  // false: not an allowed value, nothing changed
  std::function<std::string()> get;
};

Setting StringSetting(const std::string& name, std::string* value, const std::string& help);
Setting IntSetting(const std::string& name, int* value, const std::string& help, int min, int max);
Setting Int64Setting(const std::string& name, int64_t* value, const std::string& help, int64_t min,
                     int64_t max);
Setting DoubleSetting(const std::string& name, double* value, const std::string& help, double min,
                      double max);
Setting BoolSetting(const std::string& name, bool* value, const std::string& help);
Setting ChoiceSetting(const std::string& name, std::string* value, const std::string& help,
                      const std::vector<std::string>& choices);

// "--name" or "NAME" for a positional: how users know it.
std::string Spelled(const Setting& setting);

// Sets it from text; InvalidArgument with `origin` ("--port", "key port of conclave.yaml line 3").
absl::Status Apply(const Setting& setting, const std::string& text, const std::string& origin);

// The name among `settings` that is nearest to a misspelt one, "" when none is near.
std::string Nearest(const std::vector<Setting>& settings, const std::string& name);

}  // namespace conclave
