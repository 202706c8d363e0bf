#include "common/config/setting.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <numeric>

namespace conclave {
namespace {

// The whole text as a number within [min, max].
template <typename T>
bool ParseNumber(const std::string& text, T min, T max, T* value) {
  T parsed{};
  const char* begin = text.data();
  const char* end = begin + text.size();
  if (begin != end && *begin == '+') ++begin;
  const auto [rest, error] = std::from_chars(begin, end, parsed);
  if (error != std::errc() || rest != end || begin == end) return false;
  if (!(parsed >= min && parsed <= max)) return false;  // false for NaN too
  *value = parsed;
  return true;
}

template <typename T>
Setting NumberSetting(const std::string& name, T* value, const std::string& help, T min, T max,
                      const char* kind) {
  Setting setting;
  setting.name = name;
  setting.help = help;
  setting.allowed = fmt::format("{} within {}..{}", kind, min, max);
  setting.set = [value, min, max](const std::string& text) {
    return ParseNumber(text, min, max, value);
  };
  setting.get = [value] { return fmt::format("{}", *value); };
  setting.default_text = setting.get();
  return setting;
}

int EditDistance(const std::string& a, const std::string& b) {
  std::vector<int> row(b.size() + 1);
  std::iota(row.begin(), row.end(), 0);
  for (size_t i = 1; i <= a.size(); ++i) {
    int diagonal = row[0];
    row[0] = static_cast<int>(i);
    for (size_t j = 1; j <= b.size(); ++j) {
      const int up = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1)});
      diagonal = up;
    }
  }
  return row.back();
}

}  // namespace

Setting StringSetting(const std::string& name, std::string* value, const std::string& help) {
  Setting setting;
  setting.name = name;
  setting.help = help;
  setting.set = [value](const std::string& text) {
    *value = text;
    return true;
  };
  setting.get = [value] { return *value; };
  setting.default_text = *value;
  return setting;
}

Setting IntSetting(const std::string& name, int* value, const std::string& help, int min, int max) {
  return NumberSetting<int>(name, value, help, min, max, "a whole number");
}

Setting Int64Setting(const std::string& name, int64_t* value, const std::string& help, int64_t min,
                     int64_t max) {
  return NumberSetting<int64_t>(name, value, help, min, max, "a whole number");
}

Setting DoubleSetting(const std::string& name, double* value, const std::string& help, double min,
                      double max) {
  return NumberSetting<double>(name, value, help, min, max, "a number");
}

Setting BoolSetting(const std::string& name, bool* value, const std::string& help) {
  Setting setting;
  setting.name = name;
  setting.help = help;
  setting.allowed = "true or false";
  setting.is_flag = true;
  setting.set = [value](const std::string& text) {
    std::string lower = text;
    for (char& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    const bool yes = lower == "true" || lower == "yes" || lower == "on" || lower == "1";
    const bool no = lower == "false" || lower == "no" || lower == "off" || lower == "0";
    if (yes || no) *value = yes;
    return yes || no;
  };
  setting.get = [value] { return *value ? "true" : "false"; };
  setting.default_text = setting.get();
  return setting;
}

Setting ChoiceSetting(const std::string& name, std::string* value, const std::string& help,
                      const std::vector<std::string>& choices) {
  Setting setting = StringSetting(name, value, help);
  setting.allowed = fmt::format("one of {}", fmt::join(choices, ", "));
  setting.set = [value, choices](const std::string& text) {
    if (std::find(choices.begin(), choices.end(), text) == choices.end()) return false;
    *value = text;
    return true;
  };
  return setting;
}

std::string Spelled(const Setting& setting) {
  if (!setting.positional) return "--" + setting.name;
  std::string upper = setting.name;
  for (char& c : upper) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return upper;
}

absl::Status Apply(const Setting& setting, const std::string& text, const std::string& origin) {
  if (setting.set(text)) return absl::OkStatus();
  return InvalidArgument("{}: '{}' is not {}", origin, text, setting.allowed);
}

std::string Nearest(const std::vector<Setting>& settings, const std::string& name) {
  std::string best;
  int best_distance = 3;  // up to two slips of the finger
  for (const Setting& setting : settings) {
    const int distance = EditDistance(setting.name, name);
    if (distance < best_distance) {
      best_distance = distance;
      best = setting.name;
    }
  }
  return best;
}

}  // namespace conclave
