// model.safetensors.index.json: which shard holds which tensor. Internal to this module.
#pragma once

#include <map>
#include <string>
#include <unordered_set>

#include "common/base/status.h"

namespace conclave {

// Shard file name to the names of its tensors. Shards are plain names inside the checkpoint's
// folder: one with a path separator is InvalidArgument.
using CheckpointIndex = std::map<std::string, std::unordered_set<std::string>>;

absl::StatusOr<CheckpointIndex> LoadCheckpointIndex(const std::string& path);

}  // namespace conclave
