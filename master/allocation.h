// How the blocks and files of a batch become partitions. Pure; the choice is frozen in the journal.
#pragma once
#include <cstdint>
#include <vector>

#include "proto/journal.pb.h"
#include "proto/plan.pb.h"

namespace sluice::master {

// One partition for each block; neighbours on one executor are merged until a partition has 64 KiB or there are no more than `slots`.
SLUICE_INTERNAL std::vector<proto::InputList> partitionsOfBlocks(const std::vector<proto::Input>& blocks, std::uint32_t slots);
// Partitions of the k-th batch (k from 1) of a SOURCE_BATCHES; null: the stream gives no value then. Batches past the end are empty.
const proto::InputList* batchInputs(const proto::Source& source, std::int64_t k);
// The integers of a batch of a SOURCE_GENERATED, in even parts.
SLUICE_INTERNAL std::vector<proto::InputList> generatedPartitions(const proto::Source& source, std::int64_t zeroMs, std::int64_t whenMs, std::int64_t intervalMs,
                                                                  std::uint32_t defaultPartitions);
std::uint32_t batchPartitions(const proto::InputList& inputs);

}  // namespace sluice::master
