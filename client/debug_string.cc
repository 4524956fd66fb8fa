// RDD::toDebugString, as Spark draws it: a line for each node below its reader, and "+-(partitions)" where an exchange lies between.
#include <string>
#include <vector>

#include "client/plan_node.h"

namespace sluice {
inline namespace SLUICE_ABI {
namespace detail {

const char* kindOf(const PlanNode& node) {
  if (node.checkpointed) return node.checkpointed->id == 0 ? "ReliableCheckpointRDD" : node.checkpointed->kind.c_str();
  bool exchange = false;
  for (const auto& input : node.inputs) exchange |= input.exchange != Exchange::kNone;
  switch (node.kind) {
    case PlanNode::Kind::kSource: {
      if (!node.source || node.source->source.kind() != proto::SOURCE_STATIC) return "BlockRDD";
      bool files = node.source->source.inputs_size() > 0 && node.source->source.inputs(0).has_file();
      return files ? "FileRDD" : "ParallelCollectionRDD";
    }
    case PlanNode::Kind::kUnion: return "UnionRDD";
    case PlanNode::Kind::kCoalesce: return "CoalescedRDD";
    case PlanNode::Kind::kPerBatch: return "TransformedRDD";
    default: return !exchange ? "MapPartitionsRDD" : node.inputs.size() > 1 ? "CoGroupedRDD" : "ShuffledRDD";
  }
}

namespace {

std::string describe(StorageLevel level) {
  if (!level.isKept()) return "[]";
  return std::string("[") + (level.disk ? "Disk " : "") + (level.memory ? "Memory " : "") + "Serialized " + std::to_string(level.copies) + "x Replicated]";
}

class Drawing {
 public:
  std::string draw(const PlanNode* root) {
    std::string count = countOf(root);
    text_ = count + " " + line(*root);
    std::size_t left = (count.size() - 1) / 2;
    children(*root, std::string(left, ' ') + "|" + std::string(count.size() - left, ' '));
    return text_;
  }

 private:
  static std::string countOf(const PlanNode* node) { return "(" + std::to_string(partitionsOf(NodeRef(const_cast<PlanNode*>(node)))) + ")"; }
  static std::string line(const PlanNode& node) {
    return std::string(kindOf(node)) + "[" + std::to_string(node.id) + "] at " + node.place() + " " + describe(node.level);
  }

  void children(const PlanNode& node, const std::string& prefix) {
    if (node.checkpointed && node.checkpointed->id != 0) {
      const Checkpointed& from = *node.checkpointed;
      text_ += "\n" + prefix + (from.directory.empty() ? "LocalCheckpointRDD[" : "ReliableCheckpointRDD[") + std::to_string(from.id) + "] at " + from.made + " []";
      return;
    }
    std::vector<const NodeInput*> inputs;
    for (const auto& input : node.inputs) {
      if (input.node) inputs.push_back(&input);  // a state's edge to itself is none
    }
    for (std::size_t i = 0; i < inputs.size(); ++i) child(*inputs[i], prefix, i + 1 == inputs.size());
  }

  void child(const NodeInput& input, const std::string& prefix, bool last) {
    const PlanNode* node = behind(input.node.get());
    if (input.exchange == Exchange::kNone) {
      text_ += "\n" + prefix + line(*node);
      return children(*node, prefix);
    }
    std::string own = prefix;
    if (auto bar = own.find_last_not_of(' '); bar != std::string::npos && own[bar] == '|') own.resize(bar);
    std::string count = countOf(node);
    text_ += "\n" + own + "+-" + count + " " + line(*node);
    std::size_t left = (count.size() - 1) / 2;
    children(*node, own + (last ? "  " : "| ") + std::string(left, ' ') + "|" + std::string(count.size() - left, ' '));
  }

  std::string text_;
};

}  // namespace

std::string describe(const NodeRef& node) {
  contextOf(node);  // refuses an empty one
  return Drawing().draw(behind(node.get()));
}

}  // namespace detail
}  // inline namespace SLUICE_ABI
}  // namespace sluice
