// The step between two placement maps that no expert falls through. Pure.
#pragma once

#include <optional>
#include <vector>

#include "common/placement/placement.h"

namespace conclave {

// When `target` takes some expert away from every live host that has it under `current`, clients
// that follow `target` would find it nowhere until its new hosts have loaded it. Then the map to
// publish first: target's replicas, with share 0, beside the live ones of `current`, which keep the
// traffic; epoch current.epoch + 1. Nothing when `target` is safe as it is.
std::optional<PlacementMap> WidenPlacement(const PlacementMap& current, const PlacementMap& target,
                                           const std::vector<PlacementHost>& live);

// Ids and incarnations named by the map, each once, ascending.
std::vector<PlacementHost> HostsOf(const PlacementMap& map);

}  // namespace conclave
