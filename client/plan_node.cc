#include "client/plan_node.h"

#include <algorithm>
#include <set>

#include "client/capture_scan.h"
#include "client/context_core.h"
#include "client/stream_core.h"

namespace sluice {
inline namespace SLUICE_ABI {
namespace detail {

void retain(PlanNode* node) noexcept { node->references.fetch_add(1, std::memory_order_relaxed); }

void release(PlanNode* node) noexcept {
  // By hand: a lineage may be too long for one destructor inside the other.
  std::vector<PlanNode*> gone;
  auto drop = [&](PlanNode* n) {
    if (n->references.fetch_sub(1, std::memory_order_acq_rel) == 1) gone.push_back(n);
  };
  drop(node);
  while (!gone.empty()) {
    PlanNode* dead = gone.back();
    gone.pop_back();
    const bool exchange = readsExchange(*dead);
    for (auto& input : dead->inputs) {
      if (PlanNode* parent = input.node.get()) {
        retain(parent);  // ours, while the handle lets go of its own
        input.node = NodeRef();
        drop(parent);
      }
    }
    if (PlanNode* standIn = dead->standIn.load()) drop(standIn);
    else if (dead->level.isKept() && dead->context && !dead->stream) dead->context->dropKept(dead->id);
    if (dead->marked && dead->context) dead->context->checkpoints().forget(dead->id);
    if (exchange && dead->context) dead->context->forgetExchange(dead->id);
    delete dead;
  }
}

bool tryRetain(std::atomic<std::uint32_t>& references) noexcept {
  std::uint32_t count = references.load();
  while (count != 0 && !references.compare_exchange_weak(count, count + 1)) {
  }
  return count != 0;
}

std::string siteText(CallSite site) {
  std::string_view file = site.file;
  return std::string(file.substr(file.rfind('/') + 1)) + ":" + std::to_string(site.line);
}

std::string PlanNode::place() const { return name + " at " + siteText(site); }

PlanNode* current(PlanNode* node) {
  PlanNode* standIn = node->standIn.load(std::memory_order_acquire);
  return standIn ? standIn : node;
}
const PlanNode* current(const PlanNode* node) { return current(const_cast<PlanNode*>(node)); }

const PlanNode* behind(const PlanNode* node) {
  for (node = current(node); node->kind == PlanNode::Kind::kAlias;) node = current(node->inputs[0].node.get());
  return node;
}

NodeRef newNode(ContextRef context, PlanNode::Kind kind, const NodeFacts& facts) {
  context->checkActive();
  NodeRef node(new PlanNode);
  node->id = context->nextNode();
  node->context = std::move(context);
  node->kind = kind;
  node->onPerBatch = kind == PlanNode::Kind::kPerBatch;
  node->type = facts.type;
  node->partitions = facts.partitions;
  node->state = facts.state;
  node->oneValueWhenEmpty = facts.oneValueWhenEmpty;
  node->equalPartitions = facts.equalPartitions;
  node->name = facts.name;
  node->call = facts.call;
  node->site = facts.site;
  node->slideMs = facts.slide.milliseconds();
  if (facts.layout == Layout::kByKey) node->byKey = true, node->key = {facts.partitions, facts.placer};
  return node;
}

namespace {

// A null handle of a default-constructed RDD, another context's, a started stream's: refused here, once.
void checkInput(const NodeRef& input, const NodeFacts& facts) {
  if (!input) throwError(ErrorKind::kInvalidArgument, std::string(facts.name) + " at " + siteText(facts.site) + ": the RDD or DStream is empty (default-constructed)");
  if (facts.stream) input->stream->checkDefinable(facts.name, facts.site);
}

void connect(const NodeRef& node, const NodeInput* inputs, std::size_t count, const NodeFacts& facts) {
  for (std::size_t i = 0; i < count; ++i) {
    NodeInput input = inputs[i];
    if (!input.node) {
      node->inputs.push_back(std::move(input));
      continue;
    }
    if (PlanNode* standIn = current(input.node.get()); standIn != input.node.get()) {  // what was cut off can go
      retain(standIn);
      input.node = NodeRef::adopt(standIn);
    }
    PlanNode& from = *input.node;
    if (from.context.get() != node->context.get()) {
      throwError(ErrorKind::kInvalidArgument, node->place() + ": its inputs belong to different contexts");
    }
    if (facts.stream && from.stream) {
      if (!node->stream) node->stream = from.stream;
      else if (node->stream.get() != from.stream.get()) throwError(ErrorKind::kInvalidArgument, node->place() + ": the DStreams belong to different contexts");
    }
    if (facts.stream && from.slideMs != 0 && node->slideMs != 0 && !input.shifts && from.slideMs != node->slideMs) {
      throwError(ErrorKind::kInvalidArgument, node->place() + ": the DStreams have different slides (" + std::to_string(node->slideMs) + " ms and " +
                                                  std::to_string(from.slideMs) + " ms); bring them together with window");
    }
    if (node->slideMs == 0 && !input.shifts) node->slideMs = from.slideMs;
    node->onPerBatch = node->onPerBatch || from.onPerBatch;
    node->onSymbol = node->onSymbol || from.onSymbol || from.symbol != PlanNode::Symbol::kNone;
    node->inputs.push_back(std::move(input));
  }
  if (facts.layout == Layout::kSame && count > 0) {
    node->byKey = inputs[0].node->byKey, node->key = inputs[0].node->key;
  }
  bool byKey = node->op.desc && node->op.desc->form == OpDesc::Form::kPullByKey;
  switch (node->kind) {
    case PlanNode::Kind::kStep: node->perKey = facts.layout != Layout::kUnknown && !facts.byPlace; break;
    case PlanNode::Kind::kPull: node->perKey = (byKey || facts.layout == Layout::kByKey) && !facts.state; break;  // by key, or sorting by it
    case PlanNode::Kind::kUnion:
    case PlanNode::Kind::kConcat: node->perKey = true; break;
    default: break;
  }
}

void checkEqualPartitions(std::initializer_list<NodeInput> inputs, const NodeFacts& facts) {
  std::string counts;
  bool equal = true;
  std::uint32_t first = 0;
  for (const auto& input : inputs) {
    if (isSymbolic(input.node)) return;  // the tasks will know
    std::uint32_t n = partitionsOf(input.node);
    if (counts.empty()) first = n;
    equal = equal && n == first;
    counts += (counts.empty() ? "" : &input + 1 == inputs.end() ? " and " : ", ") + std::to_string(n);
  }
  if (!equal) {
    throwError(ErrorKind::kInvalidArgument, std::string(facts.name) + " at " + siteText(facts.site) + ": the RDDs have " + counts +
                                                " partitions, but must have the same number; use repartition or join");
  }
}

constexpr std::uint64_t kMostPartitions = 1'000'000;

}  // namespace

void setOperator(const NodeRef& node, const OpRef& op) {
  node->op = op;
  if (!op.scan) return;
  std::string to = pointerIn(std::string_view(op.captures).substr(0, op.scanSize));
  if (to.empty()) return;
  throwError(ErrorKind::kInvalidArgument, node->place() + ": the function captures a pointer or reference into " + to +
                                              ", which executors cannot see; capture by value ([=]), make a literal constexpr, or pass the value with "
                                              "sluice::with(f, value)");
}

NodeRef addStep(const NodeRef& input, const OpRef& op, const NodeFacts& facts) {
  checkInput(input, facts);
  NodeRef node = newNode(input->context, PlanNode::Kind::kStep, facts);
  setOperator(node, op);
  NodeInput edge{input};
  if (op.desc && op.desc->form != OpDesc::Form::kStep) node->kind = PlanNode::Kind::kPull;
  connect(node, &edge, 1, facts);
  return node;
}

NodeRef addPull(std::initializer_list<NodeInput> inputs, const OpRef& op, const NodeFacts& facts) {
  NodeRef first;
  for (const auto& input : inputs) {
    if (!input.node && facts.state) continue;  // its own past
    checkInput(input.node, facts);
    if (!first) first = input.node;
  }
  if (facts.equalPartitions) checkEqualPartitions(inputs, facts);
  bool pull = op.desc->form != OpDesc::Form::kStep;
  NodeRef node = newNode(first->context, pull ? PlanNode::Kind::kPull : PlanNode::Kind::kStep, facts);
  setOperator(node, op);
  connect(node, inputs.begin(), inputs.size(), facts);
  if (facts.state) {
    node->level = StorageLevel::MEMORY_AND_DISK;
    for (auto& input : node->inputs) {
      if (!input.node) input.firstShift = Duration(node->slideMs), input.shifts = 1;
    }
  }
  return node;
}

NodeRef addUnion(const NodeRef* inputs, std::size_t count, const NodeFacts& facts) {
  if (count == 0) throwError(ErrorKind::kInvalidArgument, std::string(facts.name) + ": the list is empty; give at least one");
  std::vector<NodeInput> edges;
  for (std::size_t i = 0; i < count; ++i) {
    checkInput(inputs[i], facts);
    if (inputs[i]->type != inputs[0]->type && std::string_view(inputs[i]->type->name) != inputs[0]->type->name) {
      throwError(ErrorKind::kInvalidArgument, std::string(facts.name) + ": the inputs are of different types");
    }
    if (facts.stream && inputs[i]->slideMs != inputs[0]->slideMs) {
      throwError(ErrorKind::kInvalidArgument, std::string(facts.name) + " at " + siteText(facts.site) + ": the DStreams have different slides (" +
                                                  std::to_string(inputs[0]->slideMs) + " ms and " + std::to_string(inputs[i]->slideMs) + " ms)");
    }
    edges.push_back({inputs[i]});
  }
  bool same = std::all_of(inputs, inputs + count, [&](const NodeRef& input) { return input->lies(inputs[0]->key); });
  NodeRef node = newNode(inputs[0]->context, same ? PlanNode::Kind::kConcat : PlanNode::Kind::kUnion, facts);
  connect(node, edges.data(), edges.size(), facts);
  if (same) node->byKey = true, node->key = inputs[0]->key;
  return node;
}

NodeRef addCoalesce(const NodeRef& input, const NodeFacts& facts) {
  checkInput(input, facts);
  if (facts.partitions == 0) throwError(ErrorKind::kInvalidArgument, std::string(facts.name) + ": the number of partitions must be above 0");
  NodeRef node = newNode(input->context, PlanNode::Kind::kCoalesce, facts);
  NodeInput edge{input};
  connect(node, &edge, 1, facts);
  return node;
}

NodeRef addCartesian(const NodeRef& left, const NodeRef& right, const OpRef& op, const NodeFacts& facts) {
  checkInput(left, facts), checkInput(right, facts);
  if (!isSymbolic(left) && !isSymbolic(right)) {
    std::uint64_t a = partitionsOf(left), b = partitionsOf(right);
    if (a * b > kMostPartitions) {
      throwError(ErrorKind::kInvalidArgument, std::string(facts.name) + " at " + siteText(facts.site) + ": " + std::to_string(a) + " times " +
                                                  std::to_string(b) + " partitions are too many; coalesce the RDDs first");
    }
  }
  NodeRef node = newNode(left->context, PlanNode::Kind::kCartesian, facts);
  setOperator(node, op);
  NodeInput edges[] = {{left}, {right}};
  connect(node, edges, 2, facts);
  return node;
}

NodeRef addPick(const NodeRef& input, const std::uint32_t* partitions, std::size_t count, const NodeFacts& facts) {
  checkInput(input, facts);
  NodeRef node = newNode(input->context, PlanNode::Kind::kPick, facts);
  node->picked.assign(partitions, partitions + count);
  NodeInput edge{input};
  connect(node, &edge, 1, facts);
  return node;
}

namespace {

// False: only the master knows, since it hangs on the data of a batch.
bool countPartitions(const PlanNode* at, std::uint32_t& count) {
  for (;;) {
    at = current(at);
    for (const auto& input : at->inputs) {
      if (input.exchange == Exchange::kGather) return count = 1, true;
      if (input.exchange == Exchange::kHash || input.exchange == Exchange::kDirect) {
        if (at->partitions == 0) return false;  // so many as there are slots when it runs
        return count = at->partitions, true;
      }
    }
    const NodeRef first = at->inputs.empty() ? NodeRef() : at->inputs[0].node;
    switch (at->kind) {
      case PlanNode::Kind::kSource:
        if (at->source->source.kind() != proto::SOURCE_STATIC) return false;
        return count = std::uint32_t(at->source->source.inputs_size()), true;
      case PlanNode::Kind::kPerBatch: return false;
      case PlanNode::Kind::kPick: return count = std::uint32_t(at->picked.size()), true;
      case PlanNode::Kind::kCoalesce:
        if (!countPartitions(first.get(), count)) return false;
        return count = std::min(at->partitions, count), true;
      case PlanNode::Kind::kUnion:
      case PlanNode::Kind::kCartesian: {
        bool sum = at->kind == PlanNode::Kind::kUnion;
        std::uint64_t all = sum ? 0 : 1;
        for (const auto& input : at->inputs) {
          std::uint32_t each = 0;
          if (!input.node || input.shifts || !countPartitions(input.node.get(), each)) return false;
          all = sum ? all + each : all * each;
        }
        return count = std::uint32_t(all), true;
      }
      default: break;
    }
    if (!first || at->inputs[0].shifts) return false;
    at = first.get();
  }
}

}  // namespace

std::uint32_t partitionsOf(const NodeRef& node) {
  std::uint32_t count = 0;
  if (countPartitions(node.get(), count)) return count;
  return isSymbolic(node) ? node->context->defaultParallelism() : askPartitions(node);
}

Placement shufflePlacement(std::initializer_list<NodeRef> inputs, int named, const PlacerRef& placer, const char* method) {
  if (named < 0) throwError(ErrorKind::kInvalidArgument, std::string(method) + ": the number of partitions is " + std::to_string(named) + "; it must be above 0");
  if (named > 0) return {std::uint32_t(named), placer};
  const PlanNode* widest = nullptr;
  auto width = [](const PlanNode& n) { return n.key.partitions ? n.key.partitions : n.context->defaultParallelism(); };
  for (const auto& input : inputs) {
    if (input && input->byKey && (!widest || width(*input) > width(*widest))) widest = input.get();
  }
  return widest ? widest->key : Placement{};
}

bool liesByKey(const NodeRef& node, const Placement& placement) { return node && node->lies(placement); }

bool layoutOf(const NodeRef& node, Placement& placement) {
  if (!node || !node->byKey) return false;
  placement = node->key;
  return true;
}

ContextRef contextOf(const NodeRef& node) {
  if (!node) throwError(ErrorKind::kInvalidArgument, "the RDD is empty (default-constructed)");
  return node->context;
}

bool isSymbolic(const NodeRef& node) { return node && (node->onSymbol || node->symbol != PlanNode::Symbol::kNone || node->stream); }

std::uint32_t defaultParallelism(ContextCore& context) { return context.defaultParallelism(); }

void keep(const NodeRef& of, StorageLevel level, bool stream) {
  PlanNode* node = current(of.get());
  if (stream) node->stream->checkDefinable("persist", node->site);
  if (!node->inputs.empty() && node->inputs[0].shifts != 0 && node->kind != PlanNode::Kind::kPull) {  // a window: its batches are what is kept
    return keep(node->inputs[0].node, level, stream);
  }
  if (node->keptForShifts && !level.isKept()) return;
  if (std::exchange(node->keptForShifts, false)) node->level = {};
  if (node->level.isKept() && level.isKept() && !(node->level == level)) {
    throwError(ErrorKind::kInvalidArgument, node->place() + ": the storage level of what is persisted already cannot be changed; unpersist it first");
  }
  node->level = level;
  if (level.isKept() && !stream) node->context->noteKept(node->id, {int(node->id), node->place(), level});
}

void unpersist(const NodeRef& of) {
  PlanNode* node = current(of.get());
  if (!node->level.isKept()) return;
  node->level = StorageLevel::NONE;
  node->context->forgetKept(node->id);
  if (!node->stream && !node->context->isStopped()) node->context->driver().unpersist(node->id);
}

StorageLevel storageLevel(const NodeRef& node) { return current(node.get())->level; }
void setUid(const NodeRef& node, std::string_view uid) {
  node->uid = uid;
  // A checkpoint holds what a window keeps of its parent, which shares its name unless it has one.
  std::size_t at = 0;
  for (const auto& input : node->inputs) {
    const std::string place = ++at > 1 ? "/" + std::to_string(at) : "";
    bool window = input.node && input.node->keptForShifts && (input.shifts > 1 || input.firstShift.milliseconds() != 0);
    if (window && input.node->windowUid.empty()) input.node->windowUid = node->uid + place + "/" + input.node->name;
  }
}
std::string nameOf(const NodeRef& node) { return current(node.get())->name; }
void setName(const NodeRef& node, std::string_view name) { current(node.get())->name = name; }
std::uint64_t newCall() {
  static std::atomic<std::uint64_t> last{0};
  return ++last;
}
std::uint32_t idOf(const NodeRef& node) { return node->id; }

std::vector<Dependency> dependenciesOf(const NodeRef& node) {
  std::vector<Dependency> found;
  std::set<const PlanNode*> seen;
  struct At {
    const PlanNode* node;
    Dependency::Kind kind;
  };
  auto kindOf = [](const PlanNode& reader, const NodeInput& input, Dependency::Kind outer) {
    using Kind = Dependency::Kind;
    if (outer == Kind::kShuffle || input.exchange != Exchange::kNone) return Kind::kShuffle;
    switch (reader.kind) {
      case PlanNode::Kind::kUnion: return Kind::kRange;
      case PlanNode::Kind::kCoalesce:
      case PlanNode::Kind::kCartesian:
      case PlanNode::Kind::kPick: return Kind::kNarrow;
      default: return outer;
    }
  };
  const PlanNode* first = behind(node.get());
  if (first->checkpointed && first->checkpointed->id != 0) return {{Dependency::Kind::kOneToOne, int(first->checkpointed->id), first->checkpointed->made}};
  std::vector<At> open{{first, Dependency::Kind::kOneToOne}};
  while (!open.empty()) {
    At at = open.back();
    open.pop_back();
    for (auto input = at.node->inputs.rbegin(); input != at.node->inputs.rend(); ++input) {
      if (!input->node) continue;
      const PlanNode* from = behind(input->node.get());
      Dependency::Kind kind = kindOf(*at.node, *input, at.kind);
      bool own = from->call != 0 && from->call == first->call;
      if (own && seen.insert(from).second) open.push_back({from, kind});
      else if (!own) found.push_back({kind, int(from->id), from->place()});
    }
  }
  std::reverse(found.begin(), found.end());
  return found;
}

std::size_t exchangesOf(const NodeRef& node) {
  std::size_t count = 0;
  std::set<const PlanNode*> seen{current(node.get())};
  std::vector<const PlanNode*> open{current(node.get())};
  while (!open.empty()) {
    const PlanNode* at = open.back();
    open.pop_back();
    for (const auto& input : at->inputs) {
      count += input.exchange != Exchange::kNone;
      const PlanNode* from = input.node ? current(input.node.get()) : nullptr;
      if (from && seen.insert(from).second) open.push_back(from);
    }
  }
  return count;
}

bool readsExchange(const NodeRef& node) {
  const PlanNode* at = behind(node.get());
  while (!at->inputs.empty() && !at->isKept()) {
    for (const auto& input : at->inputs) {
      if (input.exchange != Exchange::kNone) return true;
    }
    if (!at->inputs[0].node) return false;
    at = behind(at->inputs[0].node.get());
  }
  return false;
}

}  // namespace detail
}  // inline namespace SLUICE_ABI
}  // namespace sluice
