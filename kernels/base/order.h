// Which order of operations this build computes in.
#pragma once

namespace conclave::kernels {

// Goes up with every change of an order that a kernel's header promises (law 1), for then results
// differ in bits: it is part of what the workers of a cluster must agree on, so that two builds
// that would disagree never share a request. 2: latent attention of few heads goes by whole pages,
// and its scores are four chains. 3: bf16 modes keep latents in 16-bit fixed point. 4: kv_b
// is multiplied by integers. 5: the rotary part of those latents is 16-bit codes with a scale.
inline constexpr int kOrderOfOperations = 5;

}  // namespace conclave::kernels
