#include "worker/executor/pipeline.h"

#include <algorithm>
#include <bit>
#include <utility>
#include <vector>

#include "sluice/error.h"
#include "worker/executor/sources.h"

namespace sluice::executor {

namespace {

NodePlace placeOfNode(const proto::Node& node, std::uint32_t partition, std::int64_t whenMs) {
  return {node.name().c_str(), node.site().c_str(), node.id(), partition, whenMs};
}

// Enters a node's code for the length of a call. Left in place by an exception, so that whoever catches it sees where it came from.
class InNode {
 public:
  explicit InNode(const NodePlace& node) : place_(currentPlace().in), outer_(place_) { place_ = node; }
  void leave() { place_ = outer_; }

 private:
  NodePlace& place_;
  const NodePlace outer_;
};

class EmptyCursor final : public Cursor {
 public:
  bool next(Chunk&) override { return false; }
};

// A receiver or a directory is one source, however many partitions its batch has; partitions that are fixed are sources each.
std::uint32_t sourcePartition(const proto::Node& node, ValueId id, const Facts& facts) {
  const proto::Source& source = node.source();
  if (source.kind() != proto::SOURCE_BATCHES || node.slide_ms() <= 0) return 0;
  std::int64_t k = (id.whenMs - facts.zeroMs) / node.slide_ms() - 1;
  bool fixed = k >= 0 && k < source.batches_size() && source.batches(int(k)).partitions_size() != 0;
  return fixed ? id.partition : 0;
}

class ReadSource final : public Cursor {
 public:
  ReadSource(const proto::Node& node, NodePlace place, const TaskInputs::Source& source, const TypeDesc* type, TaskRun& run, PinBag& pins)
      : node_(node), place_(place), partition_(sourcePartition(node, source.id, *run.spec().facts)), id_(source.id), run_(run),
        source_(node.source(), source.parts, type, run, pins) {
    for (const auto& part : source.parts) told_ = told_ && part.input->records() != 0;
  }
  ~ReadSource() override {
    run_.countInput(id_, source_.records(), source_.bytes(), told_);
    run_.reading(nullptr);
  }
  bool next(Chunk& out) override {
    run_.checkCancelled();
    InNode in(place_);
    run_.reading(&source_);
    run_.readingPartition({node_.uid(), partition_});
    bool got = source_.next(out);
    in.leave();
    return got;
  }

 private:
  const proto::Node& node_;
  const NodePlace place_;
  const std::uint32_t partition_;
  const ValueId id_;
  bool told_ = true;
  TaskRun& run_;
  SourceCursor source_;
};

class RunStep final : public Cursor {
 public:
  RunStep(NodePlace node, Operator* op, std::unique_ptr<Cursor> input, TaskRun& run)
      : node_(node), op_(static_cast<StepOperator*>(op)), input_(std::move(input)), run_(run) {}

  bool next(Chunk& out) override {
    InNode in(node_);
    for (;;) {
      run_.checkCancelled();
      if (state_ == State::kEnded) break;
      if (state_ == State::kPull && !input_->next(in_)) state_ = State::kFinish;
      Step step;
      out = {};
      if (state_ == State::kFinish) {
        step = op_->finish(out, run_);
        state_ = step == Step::kHaveMore ? State::kFinish : State::kEnded;
      } else {
        step = op_->process(in_, out, run_);
        state_ = step == Step::kHaveMore ? State::kMore : step == Step::kFinished ? State::kEnded : State::kPull;
      }
      if (out.size != 0) {
        in.leave();
        return true;
      }
    }
    in.leave();
    return false;
  }

 private:
  enum class State : std::uint8_t { kPull, kMore, kFinish, kEnded };
  const NodePlace node_;
  std::unique_ptr<StepOperator> op_;
  std::unique_ptr<Cursor> input_;
  TaskRun& run_;
  Chunk in_;
  State state_ = State::kPull;
};

// One after the other; each is made when its turn comes.
class Concat final : public Cursor {
 public:
  Concat(Pipeline& pipeline, std::uint32_t node, std::vector<PlanView::Input> inputs, BucketRange range, PinBag& pins)
      : pipeline_(pipeline), node_(node), inputs_(std::move(inputs)), range_(range), pins_(pins) {}
  bool next(Chunk& out) override {
    for (;;) {
      if (current_ && current_->next(out)) return true;
      current_.reset();
      if (at_ == inputs_.size()) return false;
      current_ = pipeline_.input(node_, inputs_[at_++], range_, pins_);
    }
  }

 private:
  Pipeline& pipeline_;
  const std::uint32_t node_;
  const std::vector<PlanView::Input> inputs_;
  const BucketRange range_;
  PinBag& pins_;
  std::unique_ptr<Cursor> current_;
  std::size_t at_ = 0;
};

// A narrow input of an operator that runs in passes, of which only some keys are wanted though all are made.
class OfBuckets final : public Cursor {
 public:
  OfBuckets(std::unique_ptr<Cursor> input, const TypeDesc& type, BucketRange range) : input_(std::move(input)), filter_(type, range) {}
  bool next(Chunk& out) override {
    while (input_->next(out)) {
      out = filter_.filter(out);
      if (out.size != 0) return true;
    }
    return false;
  }

 private:
  std::unique_ptr<Cursor> input_;
  BucketFilter filter_;
};

// Gives the place back to the operator that pulled.
class InputOfPull final : public Cursor {
 public:
  InputOfPull(std::unique_ptr<Cursor> input, TaskRun& run) : input_(std::move(input)), run_(run) {}
  bool next(Chunk& out) override {
    run_.checkCancelled();
    NodePlace& place = currentPlace().in;
    const NodePlace puller = place;
    bool got = input_->next(out);
    place = puller;
    return got;
  }

 private:
  std::unique_ptr<Cursor> input_;
  TaskRun& run_;
};

// A pull operator. One by key runs once for each of `passes` sets of buckets of `range` where its inputs would not fit into memory; each
// run has an operator, cursors and pins of its own.
class RunPull final : public Cursor {
 public:
  RunPull(Pipeline& pipeline, NodePlace node, std::vector<PlanView::Input> inputs, BucketRange range, std::uint32_t passes, PinBag& pins)
      : pipeline_(pipeline), node_(node), code_(pipeline.run().plan().codeOf(node.node)), inputs_(std::move(inputs)),
        range_(range), passes_(passes), ownPins_(passes > 1 && !(code_.type->flags & TypeDesc::kViews)), outer_(pins) {}

  bool next(Chunk& out) override {
    InNode in(node_);
    for (;;) {
      pipeline_.run().checkCancelled();
      if (!op_ && !begin()) break;
      out = {};
      bool more = op_->next(cursors_.data(), cursors_.size(), out, pipeline_.run());
      if (more && out.size != 0) {
        in.leave();
        return true;
      }
      if (!more) end();
    }
    in.leave();
    return false;
  }

 private:
  bool begin() {
    if (pass_ == passes_) return false;
    std::uint32_t width = range_.width() / passes_;
    BucketRange range{std::uint8_t(range_.low + pass_ * width), std::uint8_t(range_.low + (pass_ + 1) * width)};
    ++pass_;
    std::string_view captures = pipeline_.run().spec().template_->capturesOf(node_.node);
    op_.reset(static_cast<PullOperator*>(code_.op->make(captures.data(), captures.size())));
    for (const auto& input : inputs_) {
      if (code_.op->form == OpDesc::Form::kStateful && input.parent == node_.node) continue;
      owned_.push_back(std::make_unique<InputOfPull>(pipeline_.input(node_.node, input, range, ownPins_ ? pins_ : outer_), pipeline_.run()));
      cursors_.push_back(owned_.back().get());
    }
    return true;
  }
  void end() {
    op_.reset();
    cursors_.clear(), owned_.clear(), pins_.clear();
  }

  Pipeline& pipeline_;
  const NodePlace node_;
  const NodeCode& code_;
  const std::vector<PlanView::Input> inputs_;
  const BucketRange range_;
  const std::uint32_t passes_;
  const bool ownPins_;
  PinBag& outer_;
  PinBag pins_;  // before what reads them: destroyed after
  std::vector<std::unique_ptr<Cursor>> owned_;
  std::vector<Cursor*> cursors_;
  std::unique_ptr<PullOperator> op_;
  std::uint32_t pass_ = 0;
};

// Looks for the entry in a list that is mostly asked in order.
template <class List, class Match>
auto& findFrom(List& list, std::size_t& from, Match match) {
  for (std::size_t i = 0; i < list.size(); ++i) {
    std::size_t at = (from + i) % list.size();
    if (!match(list[at])) continue;
    from = at + 1;
    return list[at];
  }
  throw InputGone{};
}

// Tables are larger than the rows that they are made of.
constexpr std::uint64_t kTableFactor = 2;

std::uint32_t passesFor(Pipeline& pipeline, const proto::Node& node, const std::vector<PlanView::Input>& inputs, BucketRange range) {
  std::uint64_t bytes = 0;
  for (const auto& input : inputs) {
    if (input.exists && !pipeline.keyed(node.id(), input)) return 1;
    bytes += pipeline.knownBytes(node.id(), input, range);
  }
  std::uint64_t share = pipeline.run().memoryShare();
  return std::uint32_t(std::min<std::uint64_t>(std::bit_ceil((bytes * kTableFactor + share - 1) / share + (bytes == 0)), range.width()));
}

}  // namespace

// Where the numbers are known only here: the driver has told those that it knew.
void Pipeline::checkEqualPartitions(const NodePlace& place, const std::vector<PlanView::Input>& inputs) {
  InNode in(place);
  std::string counts;
  bool equal = true;
  std::uint32_t first = 0;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    std::uint32_t n = run_.plan().view.partitions(inputs[i].parent, inputs[i].whenMs, *run_.spec().facts);
    if (i == 0) first = n;
    equal = equal && n == first;
    counts += (i == 0 ? "" : i + 1 == inputs.size() ? " and " : ", ") + std::to_string(n);
  }
  if (!equal) {
    throwError(ErrorKind::kInvalidArgument, "its inputs have " + counts + " partitions, but must have the same number; use repartition or join");
  }
  in.leave();
}

const TaskInputs::Shuffle& Pipeline::shuffle(std::uint32_t consumer, const PlanView::Input& input) {
  ExchangeId id{consumer, input.edgeIndex};
  return findFrom(run_.spec().inputs.shuffles, nextShuffle_, [&](const TaskInputs::Shuffle& s) {
    return s.exchange == id && s.whenMs == input.whenMs && s.reducer == input.partition;
  });
}

const RowsPtr& Pipeline::kept(ValueId id) {
  return findFrom(run_.spec().inputs.kept, nextKept_, [&](const TaskInputs::Kept& k) { return k.id == id; }).rows;
}

const TaskInputs::Source& Pipeline::source(ValueId id) {
  return findFrom(run_.spec().inputs.sources, nextSource_, [&](const TaskInputs::Source& s) { return s.id == id; });
}

std::uint64_t Pipeline::knownBytes(std::uint32_t consumer, const PlanView::Input& input, BucketRange range) {
  std::uint64_t bytes = 0;
  if (!input.exists) return 0;
  const PlanView& view = run_.plan().view;
  const proto::Node& parent = view.node(input.parent);
  if (input.shuffle) {
    for (const RowsPtr& rows : shuffle(consumer, input).maps) bytes += rows ? rows->bytes : 0;
  } else if (parent.keep().keep()) {
    bytes = kept({input.parent, input.whenMs, input.partition})->bytes;
  } else if (parent.kind() == proto::NODE_SOURCE) {
    for (const auto& part : source({input.parent, input.whenMs, input.partition}).parts) bytes += part.input->bytes();
  } else {
    // What a narrow input is made of: how much smaller or larger it is itself cannot be known.
    for (const auto& below : view.inputs(input.parent, input.whenMs, input.partition, *run_.spec().facts)) {
      bytes += knownBytes(input.parent, below, range);
    }
    return bytes;
  }
  return bytes * range.width() / 64;
}

bool Pipeline::keyed(std::uint32_t consumer, const PlanView::Input& input) const {
  bool encoded = input.shuffle || run_.plan().view.node(input.parent).keep().keep();
  const TypeDesc* type = encoded ? run_.plan().codeOf(consumer).readTypes[input.edgeIndex] : run_.plan().codeOf(input.parent).type;
  return type && (type->flags & TypeDesc::kKeyed) && type->keyHash;
}

std::unique_ptr<Cursor> Pipeline::input(std::uint32_t consumer, const PlanView::Input& input, BucketRange range, PinBag& pins) {
  if (!input.exists) return std::make_unique<EmptyCursor>();
  const PlanTemplate& plan = run_.plan();
  const TypeDesc* type = plan.codeOf(consumer).readTypes[input.edgeIndex];
  if (input.shuffle) return std::make_unique<RowsCursor>(*type, shuffle(consumer, input).maps, range, run_.store(), pins);
  if (input.edge->of_state()) return std::make_unique<StateCursor>(kept({input.parent, input.whenMs, input.partition})->state, run_.store());
  if (plan.view.node(input.parent).keep().keep()) {
    return std::make_unique<RowsCursor>(*type, kept({input.parent, input.whenMs, input.partition}), range, run_.store(), pins);
  }
  if (range.all() || plan.view.node(input.parent).per_key()) return node(input.parent, input.whenMs, input.partition, range, pins);
  auto cursor = node(input.parent, input.whenMs, input.partition, {}, pins);
  return std::make_unique<OfBuckets>(std::move(cursor), *plan.codeOf(input.parent).type, range);
}

std::unique_ptr<Cursor> Pipeline::node(std::uint32_t id, std::int64_t whenMs, std::uint32_t partition, BucketRange range, PinBag& pins) {
  const PlanTemplate& plan = run_.plan();
  const proto::Node& node = plan.view.node(id);
  const NodeCode& code = plan.codeOf(id);
  const NodePlace place = placeOfNode(node, partition, whenMs);
  if (node.kind() == proto::NODE_SOURCE) {
    return std::make_unique<ReadSource>(node, place, source({id, whenMs, partition}), code.type, run_, pins);
  }
  auto inputs = plan.view.inputs(id, whenMs, partition, *run_.spec().facts);
  switch (node.kind()) {
    case proto::NODE_STEP: {
      std::string_view captures = run_.spec().template_->capturesOf(id);
      std::unique_ptr<Cursor> from = inputs.empty() ? std::make_unique<EmptyCursor>() : input(id, inputs[0], range, pins);
      return std::make_unique<RunStep>(place, code.op->make(captures.data(), captures.size()), std::move(from), run_);
    }
    case proto::NODE_PULL: {
      if (node.equal_partitions()) checkEqualPartitions(place, inputs);
      std::uint32_t passes = code.op->form == OpDesc::Form::kPullByKey ? passesFor(*this, node, inputs, range) : 1;
      return std::make_unique<RunPull>(*this, place, std::move(inputs), range, passes, pins);
    }
    case proto::NODE_CARTESIAN: return std::make_unique<RunPull>(*this, place, std::move(inputs), range, 1, pins);
    case proto::NODE_UNION:
    case proto::NODE_CONCAT:
    case proto::NODE_PICK:
    case proto::NODE_COALESCE: return std::make_unique<Concat>(*this, id, std::move(inputs), range, pins);
    default: throwError(ErrorKind::kInvalidArgument, "a node of a kind that this version does not know");
  }
}

std::unique_ptr<Cursor> Pipeline::root() {
  const TaskSpec& spec = run_.spec();
  const Stage& stage = run_.plan().view.stages()[spec.stage];
  const proto::Node& node = run_.plan().view.node(stage.root);
  std::int64_t whenMs = run_.plan().view.whenOf(node, spec.whenMs);
  if (stage.sink != Stage::Sink::kKeep && node.keep().keep()) {
    ValueId id{stage.root, whenMs, spec.partition};
    return std::make_unique<RowsCursor>(*run_.plan().codeOf(stage.root).type, kept(id), BucketRange{}, run_.store(), run_.pins());
  }
  return this->node(stage.root, whenMs, spec.partition, {}, run_.pins());
}

}  // namespace sluice::executor
