#include "common/plan_check.h"

#include <algorithm>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "common/barrier_stages.h"

namespace sluice {
namespace {

constexpr std::int64_t kLongestMs = std::int64_t(1) << 52;
constexpr std::uint64_t kMostSum = std::uint64_t(1) << 24;  // partitions of a union

bool isTime(std::int64_t ms) { return ms >= 0 && ms <= kLongestMs; }

class Check {
 public:
  explicit Check(const proto::Plan& plan) : plan_(plan), depth_(std::size_t(plan.nodes_size())), partitions_(std::size_t(plan.nodes_size())) {}

  absl::Status run() {
    if (!isTime(plan_.interval_ms()) || !isTime(plan_.checkpoint_interval_ms()) || !isTime(plan_.remember_ms())) return refuse("an interval is out of bounds");
    for (int i = 0; i < plan_.nodes_size(); ++i) {
      if (!positions_.try_emplace(plan_.nodes(i).id(), i).second) return refuse("two nodes have one id");
      if (auto status = node(i); !status.ok()) return status;
    }
    for (const auto& output : plan_.outputs()) {
      if (!positions_.contains(output.node())) return refuse("an output reads a node that is not there");
    }
    return absl::OkStatus();
  }

 private:
  absl::Status refuse(const std::string& what) const { return absl::InvalidArgumentError("this is no plan: " + what); }
  absl::Status refuse(const proto::Node& node, const std::string& what) const {
    return absl::InvalidArgumentError(node.name() + (node.site().empty() ? "" : " at " + node.site()) + ": " + what);
  }

  absl::Status node(int at) {
    const auto& n = plan_.nodes(at);
    if (n.kind() <= proto::NODE_UNKNOWN || n.kind() > proto::NodeKind_MAX) return refuse(n, "no such kind of node");
    if (n.partitions() > kMostPartitions || (n.kind() == proto::NODE_SOURCE && std::uint32_t(n.source().inputs_size()) > kMostPartitions)) {
      return refuse(n, "more than " + std::to_string(kMostPartitions) + " partitions");
    }
    for (const auto& batch : n.source().batches()) {
      for (const auto& partition : batch.partitions()) {
        if (partition.partitions_size() != 0) return refuse(n, "partitions of partitions");
      }
    }
    if (!isTime(n.slide_ms())) return refuse(n, "a time is out of bounds");
    if (n.told() && (n.kind() == proto::NODE_SOURCE || !n.keep().keep())) return refuse(n, "its partitions cannot be told");
    if (n.keep().state() && (!n.keep().keep() || n.slide_ms() <= 0)) return refuse(n, "a state that is not kept");
    bool leaf = n.kind() == proto::NODE_SOURCE || n.kind() == proto::NODE_PLACER;
    if (leaf && n.edges_size() != 0) return refuse(n, "it reads nothing and has edges");
    bool mayBeEmpty = leaf || n.kind() == proto::NODE_UNION;  // what the driver made of a batch may be no dataset at all
    if (!mayBeEmpty && n.edges_size() == 0) return refuse(n, "it has no edges");
    if (n.kind() == proto::NODE_STEP && n.edges_size() != 1) return refuse(n, "a step reads one input");
    if (n.kind() == proto::NODE_COALESCE && (n.edges_size() != 1 || n.partitions() == 0)) return refuse(n, "coalesce reads one input, into a number of partitions");
    int depth = 0;
    std::uint64_t sum = 0;
    for (const auto& edge : n.edges()) {
      if (auto status = this->edge(n, edge, depth, sum); !status.ok()) return status;
    }
    if (depth >= kDeepestLineage) {
      return refuse(n, "its lineage is deeper than " + std::to_string(kDeepestLineage) + " nodes; checkpoint or collect in between");
    }
    depth_[std::size_t(at)] = depth + 1;
    if (n.kind() == proto::NODE_SOURCE) sum = std::uint64_t(n.source().inputs_size());
    if (n.kind() != proto::NODE_UNION) sum = std::min<std::uint64_t>(sum, kMostPartitions);
    if (sum > kMostSum) return refuse(n, "a union of more than " + std::to_string(kMostSum) + " partitions");
    partitions_[std::size_t(at)] = std::max<std::uint64_t>(sum, 1);
    return absl::OkStatus();
  }

  absl::Status edge(const proto::Node& n, const proto::Edge& edge, int& depth, std::uint64_t& sum) {
    if (edge.exchange() < 0 || edge.exchange() > proto::Exchange_MAX) return refuse(n, "no such kind of exchange");
    if (!isTime(edge.as_of_ms()) || !isTime(edge.first_shift_ms()) || !isTime(edge.shift_step_ms()) || edge.shifts() > kMostShifts) return refuse(n, "a window is out of bounds");
    std::uint64_t shifts = std::max(edge.shifts(), 1u);
    if (shifts > 1 && edge.shift_step_ms() > kLongestMs / std::int64_t(shifts)) return refuse(n, "a window is out of bounds");
    if (edge.placer() != 0) {
      auto placer = positions_.find(edge.placer());
      if (placer == positions_.end() || plan_.nodes(placer->second).kind() != proto::NODE_PLACER) return refuse(n, "its partitioner is not there");
    }
    auto found = positions_.find(edge.parent());
    if (found == positions_.end()) return refuse(n, "it reads a node that does not come before it");
    const auto& parent = plan_.nodes(found->second);
    if (parent.id() == n.id()) {
      bool earlier = edge.first_shift_ms() > 0 && n.keep().state() && edge.exchange() == proto::EXCHANGE_NONE;
      return earlier ? absl::OkStatus() : refuse(n, "it reads itself at the same time");
    }
    if (parent.kind() == proto::NODE_PLACER) return refuse(n, "it reads a partitioner");
    bool shifted = edge.first_shift_ms() > 0 || edge.shifts() > 1;
    if (shifted && (!parent.keep().keep() || parent.slide_ms() <= 0)) return refuse(n, "it reads earlier values of a node that keeps none");
    depth = std::max(depth, depth_[std::size_t(found->second)]);
    if (edge.exchange() == proto::EXCHANGE_NONE) sum += partitions_[std::size_t(found->second)] * (n.kind() == proto::NODE_UNION ? shifts : 1);
    else sum += std::max(n.partitions(), 1u);
    return absl::OkStatus();
  }

  const proto::Plan& plan_;
  absl::flat_hash_map<std::uint32_t, int> positions_;
  std::vector<int> depth_;                  // by position
  std::vector<std::uint64_t> partitions_;  // at least so many, as far as is known; by position
};

}  // namespace

absl::Status checkPlan(const proto::Plan& plan) {
  if (auto status = Check(plan).run(); !status.ok() || !hasBarriers(plan)) return status;
  return checkBarriers(PlanView({std::shared_ptr<const void>(), &plan}), true);
}

}  // namespace sluice
