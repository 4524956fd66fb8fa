#include "master/allocation.h"

#include <algorithm>
#include <cmath>

namespace sluice::master {
namespace {

constexpr std::uint64_t kMergeBelowBytes = 64 << 10;

bool neighbours(const proto::Input& a, const proto::Input& b) {
  return a.has_block() && b.has_block() && a.holders_size() && b.holders_size() && a.holders(0) == b.holders(0);
}

}  // namespace

std::vector<proto::InputList> partitionsOfBlocks(const std::vector<proto::Input>& blocks, std::uint32_t slots) {
  std::vector<proto::InputList> partitions;
  std::size_t count = blocks.size();
  std::uint64_t bytes = 0;  // of the last partition
  for (const auto& block : blocks) {
    bool merge = !partitions.empty() && count > slots && bytes < kMergeBelowBytes &&
                 neighbours(partitions.back().inputs(partitions.back().inputs_size() - 1), block);
    if (merge) {
      --count;
    } else {
      partitions.emplace_back(), bytes = 0;
    }
    *partitions.back().add_inputs() = block;
    bytes += block.bytes();
  }
  return partitions;
}

const proto::InputList* batchInputs(const proto::Source& source, std::int64_t k) {
  static const proto::InputList kEmpty;
  if (k < 1 || k > source.batches_size()) return &kEmpty;
  const auto& inputs = source.batches(int(k - 1));
  return inputs.no_value() ? nullptr : &inputs;
}

std::vector<proto::InputList> generatedPartitions(const proto::Source& source, std::int64_t zeroMs, std::int64_t whenMs, std::int64_t intervalMs,
                                                  std::uint32_t defaultPartitions) {
  auto until = [&](std::int64_t ms) { return std::int64_t(std::floor(source.rate() * double(ms) / 1000)); };
  std::int64_t from = until(whenMs - intervalMs - zeroMs), to = until(whenMs - zeroMs);
  std::uint32_t count = std::max(source.partitions() ? source.partitions() : defaultPartitions, 1u);
  std::vector<proto::InputList> partitions(count);
  for (std::uint32_t p = 0; p < count; ++p) {
    std::int64_t begin = from + (to - from) * p / count, end = from + (to - from) * (p + 1) / count;
    if (begin == end) continue;
    auto& input = *partitions[p].add_inputs();
    input.mutable_generated()->set_from(begin), input.mutable_generated()->set_to(end), input.mutable_generated()->set_step(1);
    input.set_records(std::uint64_t(end - begin)), input.set_bytes(std::uint64_t(end - begin) * sizeof(std::int64_t));
  }
  return partitions;
}

std::uint32_t batchPartitions(const proto::InputList& inputs) {
  return std::uint32_t(inputs.partitions_size() ? inputs.partitions_size() : inputs.inputs_size());
}

}  // namespace sluice::master
