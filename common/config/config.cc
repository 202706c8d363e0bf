#include "common/config/config.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <utility>

#include "common/base/check.h"
#include "common/config/config_file.h"
#include "common/config/setting.h"

namespace conclave {

struct ConfigParser::Impl {
  std::string command, description;
  std::vector<Setting> settings;

  void Add(Setting setting) {
    for (const Setting& other : settings) CONCLAVE_CHECK(other.name != setting.name);
    CONCLAVE_CHECK(setting.name != "help" && setting.name != "config" &&
                   setting.name != "print-config");
    settings.push_back(std::move(setting));
  }
  absl::Status ApplyFlags(CLI::App& app, std::vector<std::string>* given);
};

ConfigParser::ConfigParser(const std::string& command, const std::string& description)
    : impl_(std::make_unique<Impl>()) {
  impl_->command = command;
  impl_->description = description;
}
ConfigParser::~ConfigParser() = default;

void ConfigParser::Add(const std::string& name, std::string* value, const std::string& help,
                       bool required) {
  Setting setting = StringSetting(name, value, help);
  setting.required = required;
  impl_->Add(std::move(setting));
}
void ConfigParser::Add(const std::string& name, int* value, const std::string& help, int min,
                       int max) {
  impl_->Add(IntSetting(name, value, help, min, max));
}
void ConfigParser::Add(const std::string& name, int64_t* value, const std::string& help,
                       int64_t min, int64_t max) {
  impl_->Add(Int64Setting(name, value, help, min, max));
}
void ConfigParser::Add(const std::string& name, double* value, const std::string& help, double min,
                       double max) {
  impl_->Add(DoubleSetting(name, value, help, min, max));
}
void ConfigParser::Add(const std::string& name, bool* value, const std::string& help) {
  impl_->Add(BoolSetting(name, value, help));
}
void ConfigParser::AddChoice(const std::string& name, std::string* value, const std::string& help,
                             const std::vector<std::string>& choices) {
  impl_->Add(ChoiceSetting(name, value, help, choices));
}
void ConfigParser::AddPositional(const std::string& name, std::string* value,
                                 const std::string& help, bool required) {
  Setting setting = StringSetting(name, value, help);
  setting.positional = true;
  setting.required = required;
  impl_->Add(std::move(setting));
}

absl::Status ConfigParser::Impl::ApplyFlags(CLI::App& app, std::vector<std::string>* given) {
  for (const Setting& setting : settings) {
    const CLI::Option* option =
        app.get_option(setting.positional ? setting.name : "--" + setting.name);
    if (option->count() == 0) continue;
    given->push_back(setting.name);
    RETURN_IF_ERROR(Apply(setting, option->results().back(), Spelled(setting)));
  }
  return absl::OkStatus();
}

absl::Status ConfigParser::Parse(const std::vector<std::string>& args, bool* exit_now) {
  *exit_now = false;
  CLI::App app;
  app.set_help_flag();
  app.allow_extras();
  bool help = false, print = false;
  std::string config_path;
  app.add_flag("--help,-h", help);
  app.add_flag("--print-config", print);
  app.add_option("--config", config_path);
  for (const Setting& setting : impl_->settings) {
    CLI::Option* option = setting.positional ? app.add_option(setting.name)
                          : setting.is_flag  ? app.add_flag("--" + setting.name)
                                             : app.add_option("--" + setting.name)->type_size(1);
    option->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
  }
  std::vector<std::string> given;
  try {
    std::vector<std::string> reversed(args.rbegin(), args.rend());  // as CLI11 wants them
    app.parse(std::move(reversed));
    if (help) {
      std::fputs(Help().c_str(), stdout);
      *exit_now = true;
      return absl::OkStatus();
    }
    if (const std::vector<std::string> extra = app.remaining(); !extra.empty()) {
      const size_t start = extra[0].find_first_not_of('-');
      const std::string bare =
          start == std::string::npos ? "" : extra[0].substr(start, extra[0].find('=') - start);
      const std::string near = Nearest(impl_->settings, bare);
      return InvalidArgument("'{}' is not a flag or argument of `conclave {}`{}; --help lists all",
                             extra[0], impl_->command,
                             near.empty() ? "" : fmt::format(", did you mean --{}?", near));
    }
    RETURN_IF_ERROR(impl_->ApplyFlags(app, &given));
  } catch (const CLI::Error& e) {
    return InvalidArgument("{}; `conclave {} --help` lists all flags", e.what(), impl_->command);
  }
  if (!config_path.empty()) {
    std::vector<std::string> applied;
    RETURN_IF_ERROR(ApplyConfigFile(config_path, impl_->settings, given, &applied));
    given.insert(given.end(), applied.begin(), applied.end());
  }
  if (print) {
    std::fputs(Print().c_str(), stdout);
    *exit_now = true;
    return absl::OkStatus();
  }
  for (const Setting& setting : impl_->settings) {
    if (setting.required && std::find(given.begin(), given.end(), setting.name) == given.end()) {
      return InvalidArgument("{} is required: {}", Spelled(setting), setting.help);
    }
  }
  return absl::OkStatus();
}

std::string ConfigParser::Print() const { return EmitYaml(impl_->settings); }

std::string ConfigParser::Help() const {
  std::string text = fmt::format("Usage: conclave {} [flags]", impl_->command);
  for (const Setting& setting : impl_->settings) {
    if (!setting.positional) continue;
    text += setting.required ? " " + Spelled(setting) : " [" + Spelled(setting) + "]";
  }
  text += fmt::format("\n\n{}\n\n", impl_->description);
  const auto line = [&](const std::string& left, const std::string& right) {
    text += fmt::format("  {:<26} {}\n", left, right);
  };
  for (const Setting& setting : impl_->settings) {
    std::string right = setting.help;
    if (!setting.allowed.empty() && !setting.is_flag) right += "; " + setting.allowed;
    if (setting.required) {
      right += " (required)";
    } else if (!setting.default_text.empty()) {
      right += fmt::format(" (default: {})", setting.default_text);
    }
    line(Spelled(setting) + (setting.positional || setting.is_flag ? "" : " VALUE"), right);
  }
  line("--config FILE", "read settings from a YAML file with the same names; flags win over it");
  line("--print-config", "print all effective settings as YAML and exit");
  line("--help", "print this text and exit");
  return text;
}

}  // namespace conclave
