// Partitioners, as the driver holds them.
#include <atomic>
#include <memory>
#include <string>

#include "client/plan_node.h"
#include "common/plan_view.h"

namespace sluice {
inline namespace SLUICE_ABI {
namespace detail {

class Placer {
 public:
  Placer(OpRef owned, OpRef views, std::string_view kind) : owned(std::move(owned)), views(std::move(views)), kind(kind) {}
  const OpRef owned, views;
  const std::string kind;
  std::atomic<std::uint32_t> references{0};
};

void retain(Placer* placer) noexcept { placer->references.fetch_add(1, std::memory_order_relaxed); }
void release(Placer* placer) noexcept {
  if (placer->references.fetch_sub(1, std::memory_order_acq_rel) == 1) delete placer;
}

PlacerRef newPlacer(OpRef owned, OpRef views, int partitions, std::string_view kind) {
  if (partitions < 1) {
    throwError(ErrorKind::kInvalidArgument, "Partitioner: the number of partitions is " + std::to_string(partitions) + "; it must be above 0");
  }
  return PlacerRef(new Placer(std::move(owned), std::move(views), kind));
}

// Equal captures of one function: the bytes are the partitioner's identity in this process.
bool samePlacer(const PlacerRef& a, const PlacerRef& b) {
  if (a == b) return true;
  return a && b && a->owned.desc == b->owned.desc && a->owned.captures == b->owned.captures;
}

std::string_view kindOf(const PlacerRef& placer) { return placer ? std::string_view(placer->kind) : "hash"; }

bool liesByRange(const NodeRef& node) { return node && node->byKey && node->key.placer && node->key.placer->kind == "range"; }

std::uint32_t partitionOfKey(const NodeRef& node, const void* key, std::uint64_t hash) {
  const Placement& placement = node->key;
  if (!placement.placer) return partitionOfHash(hash, partitionsOf(node), placement.partitions == 0);
  const OpRef& op = placement.placer->owned;
  std::unique_ptr<Operator> placer(op.desc->make(op.captures.data(), op.captures.size()));
  std::uint32_t partition = 0;
  static_cast<KeyPlacer&>(*placer).place(key, 0, 1, &partition);
  return partition;
}

NodeRef placerFor(const NodeRef& input, const PlacerRef& placer, bool views, CallSite site) {
  if (!placer) return {};
  NodeRef node = newNode(input->context, PlanNode::Kind::kPlacer, {"partitioner", site, nullptr});
  setOperator(node, views ? placer->views : placer->owned);
  return node;
}

}  // namespace detail
}  // inline namespace SLUICE_ABI
}  // namespace sluice
