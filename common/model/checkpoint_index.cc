#include "common/model/checkpoint_index.h"

#include "common/model/json_fields.h"
#include "common/model/read_file.h"

namespace conclave {

absl::StatusOr<CheckpointIndex> LoadCheckpointIndex(const std::string& path) {
  ASSIGN_OR_RETURN(std::string text, ReadFile(path, 256 << 20));
  ASSIGN_OR_RETURN(nlohmann::json document, ParseJson(text, path));
  if (!document.is_object()) return InvalidArgument("{}: the document is not an object", path);
  auto map = document.find("weight_map");
  if (map == document.end() || !map->is_object() || map->empty()) {
    return InvalidArgument("{}: weight_map is missing, empty or not an object", path);
  }
  CheckpointIndex index;
  for (const auto& [tensor, file] : map->items()) {
    if (!file.is_string()) {
      return InvalidArgument("{}: tensor {}: shard is {}; a file name is needed", path, tensor,
                             Show(file));
    }
    const std::string& name = file.get_ref<const std::string&>();
    if (name.empty() || name == "." || name == ".." || name.find('/') != std::string::npos ||
        name.find('\0') != std::string::npos) {
      return InvalidArgument("{}: tensor {}: shard {} is not a plain file name", path, tensor,
                             Show(file));
    }
    index[name].insert(tensor);
  }
  return index;
}

}  // namespace conclave
