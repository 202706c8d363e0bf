// conclave.v1.Expert, to and from what this host knows.
#pragma once

#include <cstdint>
#include <vector>

#include "common/engine/expert_store.h"
#include "proto/conclave/v1/expert.pb.h"

namespace conclave {

// Picks of each expert since the store was opened, layers with experts only.
void LoadsToProto(const std::vector<ExpertLoad>& loads, const ModelConfig& config,
                  v1::ExpertStatusResponse* response);

// Picks of each layer, over all experts. [total layers]
std::vector<uint64_t> LayerPicks(const std::vector<ExpertLoad>& loads, const ModelConfig& config);

}  // namespace conclave
