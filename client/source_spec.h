// What a leaf of the graph reads, and the inputs of text files.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

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

// Cuts the files that `paths` names (a file, a directory, a glob, or several with commas between; directories are not entered below
// their own files, hidden names are left out) into ranges: at least `atLeast` if the files are large enough, each at most 32 MiB.
// Throws Error(kInvalidArgument) naming the path that is not there or cannot be read.
SLUICE_INTERNAL std::vector<proto::Input> cutTextFiles(std::string_view paths, std::size_t atLeast);

}  // namespace sluice
