// What a leaf of the graph reads.
#pragma once
#include <cstdint>
#include <string>

#include "proto/plan.pb.h"
#include "sluice/abi.h"
#include "sluice/receiver_base.h"

namespace sluice {

// Immutable once a node has it. Captures and code of a receiver stand with the node.
struct SLUICE_INTERNAL SourceSpec {
  proto::Source source;
  const ReceiverDesc* receiver = nullptr;
  std::uint64_t hash = 0;  // of `source`, rows included
  void seal();             // computes the hash
};

}  // namespace sluice
