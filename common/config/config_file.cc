#include "common/config/config_file.h"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <exception>

namespace conclave {
namespace {

bool Contains(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

absl::Status ApplyKey(const std::string& path, const std::string& key, const YAML::Node& value,
                      int line, const std::vector<Setting>& settings,
                      const std::vector<std::string>& given, std::vector<std::string>* applied) {
  const auto it = std::find_if(settings.begin(), settings.end(),
                               [&](const Setting& s) { return s.name == key; });
  if (it == settings.end()) {
    const std::string near = Nearest(settings, key);
    return InvalidArgument("{} line {}: unknown key '{}'{}; --help lists all", path, line, key,
                           near.empty() ? "" : fmt::format(", did you mean '{}'?", near));
  }
  if (!value.IsScalar()) {
    return InvalidArgument("{} line {}: key '{}' needs one plain value{}", path, line, key,
                           it->allowed.empty() ? "" : ", " + it->allowed);
  }
  if (Contains(*applied, key))
    return InvalidArgument("{} line {}: key '{}' appears twice", path, line, key);
  applied->push_back(key);
  if (Contains(given, key)) return absl::OkStatus();
  return Apply(*it, value.Scalar(), fmt::format("{} line {}: key '{}'", path, line, key));
}

}  // namespace

absl::Status ApplyConfigFile(const std::string& path, const std::vector<Setting>& settings,
                             const std::vector<std::string>& given,
                             std::vector<std::string>* applied) {
  try {
    const YAML::Node root = YAML::LoadFile(path);
    if (root.IsNull()) return absl::OkStatus();
    if (!root.IsMap())
      return InvalidArgument("{}: must be a YAML map of settings, like 'port: 8080'", path);
    for (const auto& entry : root) {
      if (!entry.first.IsScalar()) return InvalidArgument("{}: a key must be plain text", path);
      RETURN_IF_ERROR(ApplyKey(path, entry.first.Scalar(), entry.second,
                               entry.first.Mark().line + 1, settings, given, applied));
    }
  } catch (const YAML::BadFile&) {
    return NotFound("--config: cannot read {}", path);
  } catch (const std::exception& e) {
    return InvalidArgument("{}: not valid YAML: {}", path, e.what());
  }
  return absl::OkStatus();
}

std::string EmitYaml(const std::vector<Setting>& settings) {
  YAML::Emitter out;
  out << YAML::BeginMap;
  for (const Setting& setting : settings)
    out << YAML::Key << setting.name << YAML::Value << setting.get();
  out << YAML::EndMap;
  return std::string(out.c_str()) + "\n";
}

}  // namespace conclave
