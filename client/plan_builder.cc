#include "client/plan_builder.h"

#include <xxhash.h>

#include <cstring>
#include <map>

namespace sluice {
namespace {

using detail::NodeRef;
using detail::PlanNode;

// What structures are hashed from: words and texts, each with its length, so that no two structures give equal bytes.
class Digest {
 public:
  Digest() : bytes_(scratch()) { bytes_.clear(); }
  void add(std::uint64_t word) { bytes_.append(&word, sizeof word); }
  void add(std::string_view text) { add(text.size()), bytes_.append(text); }
  std::uint64_t hash() const { return XXH3_64bits(bytes_.data(), bytes_.size()); }

 private:
  // Each job makes one, of a kilobyte or more; one at a time on a thread.
  static Buffer& scratch() {
    thread_local Buffer buffer;
    return buffer;
  }
  Buffer& bytes_;
};

struct Placed {
  const PlanNode* node;
  std::int64_t asOfMs = 0;
  std::vector<NodeRef> content;  // of a kPerBatch node: what it is at its batch
};

class Builder {
 public:
  Builder(const PlanRequest& request, const ImageTable& images) : request_(request), images_(images) {
    for (const auto& output : request.outputs) place(output.node.get());
  }

  std::uint64_t templateHash() const { return digest(true); }
  std::shared_ptr<proto::Plan> plan(std::uint64_t hash) const;
  proto::Captures captures(const std::vector<std::uint64_t>& broadcasts) const;
  // By the ids that the nodes have in the plan.
  std::vector<std::pair<std::uint32_t, std::uint32_t>> exchanges(const proto::Plan& plan) const;
  std::vector<std::string> captureBytes() const {
    std::vector<std::string> bytes;
    for (const auto& placed : order_) bytes.push_back(bytesOf(*placed.node));
    return bytes;
  }

 private:
  struct Seen {
    const PlanNode* node;
    std::int64_t asOfMs;
  };
  Seen resolve(const PlanNode* node, std::int64_t asOfMs) const;
  void place(const PlanNode* root);
  void enter(std::vector<std::pair<Seen, std::size_t>>& path, Seen seen);
  std::vector<Seen> parents(const Placed& placed) const;
  std::vector<Seen> needed(const Placed& placed) const;
  std::uint64_t digest(bool ofModule) const;
  void addCode(Digest& digest, const void* descriptor, const PlanNode& node) const;
  proto::Code code(const void* descriptor, const PlanNode& node) const;
  void fillNode(std::size_t at, proto::Node& to) const;
  void fillEdges(std::size_t at, proto::Node& to) const;
  std::string uidOf(std::size_t at) const;
  static const std::string& bytesOf(const PlanNode& node) { return node.source ? node.receiverCaptures : node.op.captures; }

  const PlanRequest& request_;
  const ImageTable& images_;
  std::vector<Placed> order_;  // parents first
  absl::flat_hash_map<const PlanNode*, std::uint32_t> positions_;
};

std::string quoted(const PlanRequest& request) { return request.action.empty() ? "this action" : request.action; }

Builder::Seen Builder::resolve(const PlanNode* node, std::int64_t asOfMs) const {
  for (node = current(node); node->kind == PlanNode::Kind::kAlias && node->asOfMs == 0;) {  // as of a batch it is a node of the plan
    if (!request_.stream && asOfMs == 0 && node->symbol == PlanNode::Symbol::kPlannedOnce) {
      throwError(ErrorKind::kIllegalState, quoted(request_) + " inside transform: a function of (RDD) is asked once, before any data is there; let it "
                                                              "take (RDD, Time), or use foreachRDD");
    }
    if (!request_.stream && asOfMs == 0 && node->symbol == PlanNode::Symbol::kOfItsBatch) {
      throwError(ErrorKind::kIllegalState, quoted(request_) + " inside transform: the batch that is being planned has no data yet; use foreachRDD for "
                                                              "actions on a batch");
    }
    node = current(node->inputs[0].node.get());
  }
  return {node, asOfMs};
}

// The parents of a node, in the order of its edges; the node itself where it reads its own past.
std::vector<Builder::Seen> Builder::parents(const Placed& placed) const {
  std::vector<Seen> found;
  if (placed.node->kind == PlanNode::Kind::kPerBatch && (request_.whenMs != 0 || placed.asOfMs != 0)) {
    for (const auto& content : placed.content) found.push_back(resolve(content.get(), placed.asOfMs));
    return found;
  }
  const std::int64_t asOfMs = placed.node->asOfMs != 0 ? placed.node->asOfMs : placed.asOfMs;
  for (const auto& input : placed.node->inputs) {
    if (!input.node) found.push_back({placed.node, asOfMs});
    else found.push_back(resolve(input.node.get(), asOfMs));
  }
  return found;
}

// The parents, and the partitioners that its edges name.
std::vector<Builder::Seen> Builder::needed(const Placed& placed) const {
  std::vector<Seen> found = parents(placed);
  for (const auto& input : placed.node->inputs) {
    if (input.placer) found.push_back({input.placer.get(), 0});
  }
  return found;
}

void Builder::enter(std::vector<std::pair<Seen, std::size_t>>& path, Seen seen) {
  if (auto it = positions_.find(seen.node); it != positions_.end()) {
    const Placed* known = it->second < order_.size() ? &order_[it->second] : nullptr;
    if (known && seen.node->onPerBatch && known->asOfMs != seen.asOfMs) {
      throwError(ErrorKind::kInvalidArgument, quoted(request_) + ": two batches of a stream that the driver makes anew for each batch (queueStream, "
                                                                 "transform with Time) cannot be used in one job; collect one of them first, or use window");
    }
    return;
  }
  positions_[seen.node] = ~0u;  // on the path
  path.emplace_back(seen, 0);
}

void Builder::place(const PlanNode* root) {
  // By hand, not by recursion: a lineage may be as long as the program ran.
  std::vector<std::pair<Seen, std::size_t>> path;
  std::vector<Placed> open;
  auto begin = [&](Seen seen) {
    std::size_t before = path.size();
    enter(path, seen);
    if (path.size() == before) return;
    Placed placed{seen.node, seen.asOfMs, {}};
    std::int64_t when = seen.asOfMs != 0 ? seen.asOfMs : request_.whenMs;
    if (seen.node->kind == PlanNode::Kind::kPerBatch && when != 0 && request_.perBatch) {
      if (NodeRef made = request_.perBatch(*seen.node, when)) placed.content.push_back(std::move(made));
    }
    open.push_back(std::move(placed));
  };
  begin(resolve(root, 0));
  while (!path.empty()) {
    auto next = needed(open.back());
    std::size_t& at = path.back().second;
    if (at < next.size()) {
      begin(next[at++]);
      continue;
    }
    positions_[path.back().first.node] = std::uint32_t(order_.size());
    order_.push_back(std::move(open.back()));
    open.pop_back(), path.pop_back();
  }
}

proto::Code Builder::code(const void* descriptor, const PlanNode& node) const {
  proto::Code code;
  if (!images_.locate(descriptor, code)) {
    throwError(ErrorKind::kInvalidArgument, node.place() + ": its code lies in " + ImageTable::fileOf(descriptor) +
                                                ", which is no part of the application; link it to libsluice and ship it with --files");
  }
  return code;
}

void Builder::addCode(Digest& digest, const void* descriptor, const PlanNode& node) const {
  if (!descriptor) return digest.add(~0ull);
  proto::Code at = code(descriptor, node);
  digest.add(at.image()), digest.add(at.offset()), digest.add(images_.hash(at.image()));
}

std::uint64_t Builder::digest(bool ofModule) const {
  Digest digest;
  for (std::size_t at = 0; at < order_.size(); ++at) {
    const PlanNode& node = *order_[at].node;
    digest.add(std::uint64_t(node.kind) | std::uint64_t(node.oneValueWhenEmpty) << 8 | std::uint64_t(node.state) << 9 | std::uint64_t(node.firstBatchOnly) << 12 |
               std::uint64_t(node.equalPartitions) << 13 | std::uint64_t(node.perKey) << 14 | std::uint64_t(node.barrier) << 15 |
               std::uint64_t(node.level.memory) << 10 | std::uint64_t(node.level.disk) << 11 | std::uint64_t(node.level.copies) << 16);
    digest.add(node.partitions), digest.add(std::uint64_t(node.slideMs));
    digest.add(node.picked.size());
    for (std::uint32_t picked : node.picked) digest.add(picked);
    if (ofModule) {
      addCode(digest, node.op.desc, node), addCode(digest, node.type, node);
      digest.add(std::uint64_t(node.asOfMs));
      digest.add(node.isKept() || node.slideMs != 0 ? node.id : 0);
      digest.add(node.source ? node.source->hash : 0);
      if (node.source && node.source->receiver) addCode(digest, node.source->receiver, node);
    } else {
      digest.add(node.type ? node.type->name : ""), digest.add(uidOf(at));
      digest.add(node.source ? std::uint64_t(node.source->source.kind()) : 0);
    }
    auto from = parents(order_[at]);
    digest.add(from.size());
    for (std::size_t i = 0; i < from.size(); ++i) {
      digest.add(from[i].node == &node ? at : positions_.at(from[i].node));
      if (i >= node.inputs.size()) continue;
      const auto& input = node.inputs[i];
      digest.add(std::uint64_t(input.exchange) | std::uint64_t(input.ofState) << 4 | std::uint64_t(input.shifts) << 8);
      digest.add(std::uint64_t(input.firstShift.milliseconds())), digest.add(std::uint64_t(input.shiftStep.milliseconds()));
      digest.add(input.placer ? positions_.at(input.placer.get()) : ~0ull);
      if (ofModule) addCode(digest, input.read, node);
    }
  }
  for (const auto& output : request_.outputs) {
    digest.add(std::uint64_t(output.kind)), digest.add(positions_.at(resolve(output.node.get(), 0).node));
    digest.add(output.limit), digest.add(output.prefix), digest.add(output.suffix);
    digest.add(output.files.SerializeAsString());
  }
  digest.add(std::uint64_t(request_.intervalMs)), digest.add(std::uint64_t(request_.driverPlanned));
  return digest.hash();
}

// Named by the user, or the method and its place among the nodes of that method.
std::string Builder::uidOf(std::size_t at) const {
  const PlanNode& node = *order_[at].node;
  if (!node.uid.empty()) return node.uid;
  if (!node.windowUid.empty()) return node.windowUid;
  std::size_t before = 0;
  for (std::size_t i = 0; i < at; ++i) before += order_[i].node->uid.empty() && order_[i].node->name == node.name;
  return node.name + "-" + std::to_string(before);
}

void Builder::fillEdges(std::size_t at, proto::Node& to) const {
  const PlanNode& node = *order_[at].node;
  auto from = parents(order_[at]);
  bool content = node.kind == PlanNode::Kind::kPerBatch;
  for (std::size_t i = 0; i < from.size(); ++i) {
    auto& edge = *to.add_edges();
    edge.set_parent(from[i].node->id);
    edge.set_as_of_ms(node.asOfMs);
    const detail::NodeInput* input = content ? nullptr : &node.inputs[i];
    if (input) {
      switch (input->exchange) {
        case detail::Exchange::kNone: break;
        case detail::Exchange::kHash: edge.set_exchange(proto::EXCHANGE_HASH); break;
        case detail::Exchange::kDirect: edge.set_exchange(proto::EXCHANGE_DIRECT); break;
        case detail::Exchange::kGather: edge.set_exchange(proto::EXCHANGE_GATHER); break;
        case detail::Exchange::kBroadcast: edge.set_exchange(proto::EXCHANGE_BROADCAST); break;
      }
      edge.set_first_shift_ms(input->firstShift.milliseconds());
      if (input->placer) edge.set_placer(input->placer->id);
      edge.set_of_state(input->ofState);
      edge.set_shifts(input->shifts), edge.set_shift_step_ms(input->shiftStep.milliseconds());
    }
    bool rows = edge.exchange() != proto::EXCHANGE_NONE || from[i].node->isKept();
    if (rows) *edge.mutable_read_type() = code(input && input->read ? input->read : from[i].node->type, node);
  }
}

void Builder::fillNode(std::size_t at, proto::Node& to) const {
  const PlanNode& node = *order_[at].node;
  to.set_id(node.id);
  switch (node.kind) {
    case PlanNode::Kind::kSource: to.set_kind(proto::NODE_SOURCE); break;
    case PlanNode::Kind::kStep: to.set_kind(proto::NODE_STEP); break;
    case PlanNode::Kind::kPull: to.set_kind(proto::NODE_PULL); break;
    case PlanNode::Kind::kCoalesce: to.set_kind(proto::NODE_COALESCE); break;
    case PlanNode::Kind::kConcat: to.set_kind(proto::NODE_CONCAT); break;
    case PlanNode::Kind::kPlacer: to.set_kind(proto::NODE_PLACER); break;
    case PlanNode::Kind::kCartesian: to.set_kind(proto::NODE_CARTESIAN); break;
    case PlanNode::Kind::kPick: to.set_kind(proto::NODE_PICK); break;
    case PlanNode::Kind::kAlias:
    case PlanNode::Kind::kPerBatch:
    case PlanNode::Kind::kUnion: to.set_kind(proto::NODE_UNION); break;
  }
  if (node.op.desc) *to.mutable_op() = code(node.op.desc, node);
  if (node.type) {
    *to.mutable_type() = code(node.type, node);
    to.set_type_name(node.type->name);
  }
  fillEdges(at, to);
  to.set_partitions(node.partitions);
  if (node.isKept()) {
    auto& keep = *to.mutable_keep();
    keep.set_keep(true), keep.set_disk(node.level.disk), keep.set_disk_only(node.level.disk && !node.level.memory), keep.set_replicas(node.level.copies), keep.set_state(node.state);
  }
  if (node.source) {
    *to.mutable_source() = node.source->source;
    if (node.source->receiver) *to.mutable_source()->mutable_receiver() = code(node.source->receiver, node);
  }
  to.set_name(node.name), to.set_site(detail::siteText(node.site)), to.set_uid(uidOf(at));
  to.set_slide_ms(node.slideMs);
  to.set_one_value_when_empty(node.oneValueWhenEmpty), to.set_first_batch_only(node.firstBatchOnly);
  to.set_equal_partitions(node.equalPartitions), to.set_per_key(node.perKey), to.set_barrier(node.barrier);
  to.set_told(node.onPerBatch && node.isKept() && node.slideMs != 0);
  *to.mutable_picked() = {node.picked.begin(), node.picked.end()};
  if (!node.state) return;
  const TypeDesc* state = node.type;
  if (node.op.desc && node.op.desc->form == OpDesc::Form::kStateful) {
    for (const auto& input : node.inputs) {
      if (!input.node) state = input.read;  // says of what its entries are
    }
  }
  to.set_state_type_name(state->name);
}

std::shared_ptr<proto::Plan> Builder::plan(std::uint64_t hash) const {
  auto plan = std::make_shared<proto::Plan>();
  std::map<std::string, const PlanNode*> named;
  for (std::size_t at = 0; at < order_.size(); ++at) {
    const PlanNode& node = *order_[at].node;
    if (!node.uid.empty() && !named.emplace(node.uid, &node).second) {
      throwError(ErrorKind::kInvalidArgument, "the uid '" + node.uid + "' is given twice: " + named[node.uid]->place() + " and " + node.place());
    }
    fillNode(at, *plan->add_nodes());
  }
  std::uint32_t index = 0;
  for (const auto& request : request_.outputs) {
    auto& output = *plan->add_outputs();
    output = request.files;
    output.set_index(index++), output.set_kind(request.kind);
    output.set_node(resolve(request.node.get(), 0).node->id);
    output.set_limit(request.limit), output.set_prefix(request.prefix), output.set_suffix(request.suffix);
    output.set_name(request.name), output.set_site(detail::siteText(request.site));
  }
  plan->set_template_hash(hash), plan->set_shape_hash(digest(false));
  plan->set_interval_ms(request_.intervalMs), plan->set_remember_ms(request_.rememberMs);
  plan->set_checkpoint_directory(request_.checkpointDirectory), plan->set_checkpoint_interval_ms(request_.checkpointIntervalMs);
  plan->set_driver_planned(request_.driverPlanned);
  return plan;
}

proto::Captures Builder::captures(const std::vector<std::uint64_t>& broadcasts) const {
  proto::Captures captures;
  std::vector<bool> named(broadcasts.size());
  for (const auto& placed : order_) {
    const std::string& bytes = bytesOf(*placed.node);
    captures.add_nodes(bytes);
    // A handle holds the id; inside encoded values it need not be aligned.
    for (std::size_t i = 0; i < broadcasts.size(); ++i) {
      if (!named[i]) named[i] = bytes.find(std::string_view(reinterpret_cast<const char*>(&broadcasts[i]), 8)) != std::string::npos;
    }
  }
  for (std::size_t i = 0; i < broadcasts.size(); ++i) {
    if (named[i]) captures.add_broadcasts(broadcasts[i]);
  }
  return captures;
}

// Those of datasets that are the same in every job.
std::vector<std::pair<std::uint32_t, std::uint32_t>> Builder::exchanges(const proto::Plan& plan) const {
  std::vector<std::pair<std::uint32_t, std::uint32_t>> found;
  for (std::size_t at = 0; !request_.stream && at < order_.size(); ++at) {
    const PlanNode& node = *order_[at].node;
    bool same = node.slideMs == 0 && node.asOfMs == 0 && order_[at].asOfMs == 0 && node.kind != PlanNode::Kind::kPerBatch;
    if (same && detail::readsExchange(node)) found.emplace_back(plan.nodes(int(at)).id(), node.id);
  }
  return found;
}

}  // namespace

TemplateTable::Entry* TemplateTable::find(std::uint64_t hash) {
  auto it = entries_.find(hash);
  return it == entries_.end() ? nullptr : &it->second;
}

TemplateTable::Entry& TemplateTable::add(std::uint64_t hash, std::shared_ptr<const proto::Plan> plan) {
  if (entries_.size() >= kMost) entries_.clear();
  Entry& entry = entries_[hash];
  entry.plan = std::move(plan);
  return entry;
}

BuiltPlan buildPlan(const PlanRequest& request, const ImageTable& images, TemplateTable& templates, const std::vector<std::uint64_t>& broadcasts,
                    const ShippedFiles& files) {
  Builder builder(request, images);
  std::uint64_t hash = builder.templateHash();
  TemplateTable::Entry* entry = templates.find(hash);
  if (!entry) entry = &templates.add(hash, builder.plan(hash));
  BuiltPlan built{entry->plan, builder.captures(broadcasts), builder.exchanges(*entry->plan)};
  auto bytes = builder.captureBytes();
  files.addTo(built.captures);
  std::size_t shipped = std::size_t(built.captures.files_size());
  if (entry->version == 0 || entry->captures != bytes || entry->files != shipped) {
    entry->captures = std::move(bytes), entry->files = shipped;
    entry->version = templates.nextVersion();
  }
  built.captures.set_version(entry->version);
  return built;
}

}  // namespace sluice
