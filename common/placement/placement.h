// The placement map: which expert host holds which routed expert. Immutable and versioned; pure
// values.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/base/ids.h"
#include "common/base/status.h"

namespace conclave {

struct ExpertReplica {
  std::string host;  // member id
  Incarnation incarnation = 0;
  float share = 1;  // of the expert's traffic; the shares of one expert sum to 1
  bool operator==(const ExpertReplica&) const = default;
};

struct PlacementMap {
  uint64_t epoch = 0;  // 0 = no map yet
  // [model layers, MTP layers included][experts][replicas]; empty for layers without routed
  // experts.
  std::vector<std::vector<std::vector<ExpertReplica>>> layers;
};

struct PlacementHost {
  std::string id;
  Incarnation incarnation = 0;
  bool operator==(const PlacementHost&) const = default;
};

struct PlacementShape {
  int layers = 0;           // all, MTP included
  int first_moe_layer = 0;  // earlier ones are dense
  int experts = 0;          // per MoE layer
};

// A map with `replicas` copies of every expert (fewer when there are fewer hosts), no two on one
// host, the slots per host and layer even within one. Copies of `previous` whose host (and
// incarnation) still lives stay where they are as far as evenness allows. epoch = previous.epoch
// + 1. FailedPrecondition without hosts.
absl::StatusOr<PlacementMap> PlanPlacement(const PlacementShape& shape,
                                           const std::vector<PlacementHost>& hosts, int replicas,
                                           const PlacementMap& previous);

// Every expert has a replica, hosts are distinct within an expert, shares sum to 1 within 1e-3.
absl::Status ValidatePlacement(const PlacementMap& map, const PlacementShape& shape);

}  // namespace conclave
