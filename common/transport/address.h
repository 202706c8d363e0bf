// What Transport::Address() hands out: which backend, which incarnation, and the backend's own
// bytes, protected by a digest, since foreign bytes must never reach a library that trusts them.
#pragma once

#include <cstdint>
#include <string>

#include "common/base/ids.h"
#include "common/base/status.h"

namespace conclave {

enum class TransportKind : uint8_t { kInproc = 1, kUcx = 2 };

struct TransportAddress {
  TransportKind kind = TransportKind::kInproc;
  Incarnation incarnation = 0;
  std::string native;  // the backend's own address; at most 4 KiB
};

std::string EncodeAddress(const TransportAddress& address);
// InvalidArgument when the bytes are damaged, of another version or of another backend than
// `expected`.
absl::StatusOr<TransportAddress> DecodeAddress(const std::string& bytes, TransportKind expected);

}  // namespace conclave
