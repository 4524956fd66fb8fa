#include "worker/executor/sinks.h"

#include "worker/executor/file_sinks.h"
#include "worker/executor/rows_writer.h"

namespace sluice::executor {

namespace {

constexpr std::size_t kPrintedLineBytes = 4096;

class ExchangeSink final : public Sink {
 public:
  ExchangeSink(const TypeDesc& type, Routing routing, std::unique_ptr<Operator> placer, TaskRun& run)
      : placer_(std::move(placer)), writer_(type, routing, run.runtime().taskShareBytes() / 4, run.store()) {}
  bool write(Chunk in) override {
    writer_.write(in);
    return true;
  }
  void finish(TaskDone& done) override { done.segments = writer_.finish(); }

 private:
  std::unique_ptr<Operator> placer_;
  SegmentWriter writer_;
};

class RowsSink final : public Sink {
 public:
  RowsSink(const TypeDesc& type, ObjectKind kind, bool droppable, TaskRun& run, bool toDisk = false)
      : store_(run.store()), toDisk_(toDisk), writer_(type, kind, droppable, run.store()) {}
  bool write(Chunk in) override {
    writer_.write(in);
    return true;
  }
  void finish(TaskDone& done) override {
    done.rows = writer_.finish();
    done.outputRows = done.rows->rows, done.outputBytes = done.rows->bytes;
    if (toDisk_) store_.moveOut(*done.rows);
  }

 private:
  Store& store_;
  const bool toDisk_;
  RowsWriter writer_;
};

// Of a stateful node: its records, and the version of its state.
class StatefulSink final : public Sink {
 public:
  StatefulSink(const TypeDesc& type, TaskRun& run) : run_(run), writer_(type, ObjectKind::kKept, false, run.store()) {}
  bool write(Chunk in) override {
    writer_.write(in);
    return true;
  }
  void finish(TaskDone& done) override {
    auto rows = std::make_shared<Rows>(*writer_.finish());
    rows->state = run_.commitState();
    done.outputRows = rows->rows, done.outputBytes = rows->bytes;
    done.rows = std::move(rows);
  }

 private:
  TaskRun& run_;
  RowsWriter writer_;
};

class PrintSink final : public Sink {
 public:
  PrintSink(const TypeDesc& type, std::uint32_t limit) : type_(type), limit_(limit) {}
  bool write(Chunk in) override {
    auto record = static_cast<const char*>(in.data);
    for (std::size_t i = 0; i < in.size && !full(); ++i, record += type_.size) {
      Buffer line;
      type_.print(record, line);
      lines_.emplace_back(line.view().substr(0, kPrintedLineBytes));
    }
    return !full();
  }
  void finish(TaskDone& done) override {
    done.outputRows = lines_.size();
    done.lines = std::move(lines_);
  }

 private:
  bool full() const { return limit_ != 0 && lines_.size() > limit_; }  // one more tells that there are more
  const TypeDesc& type_;
  const std::uint32_t limit_;
  std::vector<std::string> lines_;
};

class NoSink final : public Sink {
 public:
  bool write(Chunk) override { return true; }
  void finish(TaskDone&) override {}
};

Routing routingOf(const PlanView& view, ExchangeId exchange, const Facts& facts) {
  const proto::Node& consumer = view.node(exchange.node);
  Routing routing{consumer.edges(int(exchange.edge)).exchange()};
  if (routing.exchange == proto::EXCHANGE_HASH || routing.exchange == proto::EXCHANGE_DIRECT) {
    routing.defaulted = consumer.partitions() == 0;
    routing.reducers = routing.defaulted ? facts.defaultPartitions : consumer.partitions();
  }
  return routing;
}

std::unique_ptr<Sink> makeExchangeSink(ExchangeId exchange, const TypeDesc& type, TaskRun& run) {
  const PlanView& view = run.plan().view;
  Routing routing = routingOf(view, exchange, *run.spec().facts);
  std::unique_ptr<Operator> placer;
  if (std::uint32_t node = view.node(exchange.node).edges(int(exchange.edge)).placer()) {
    std::string_view captures = run.spec().template_->capturesOf(node);
    placer.reset(run.plan().codeOf(node).op->make(captures.data(), captures.size()));
    routing.placer = static_cast<KeyPlacer*>(placer.get());
  }
  return std::make_unique<ExchangeSink>(type, routing, std::move(placer), run);
}

std::unique_ptr<Sink> makeOutputSink(const proto::Output& output, const TypeDesc& type, TaskRun& run) {
  switch (output.kind()) {
    case proto::OUTPUT_RESULTS: return std::make_unique<RowsSink>(type, ObjectKind::kSegment, false, run);
    case proto::OUTPUT_PRINT: return std::make_unique<PrintSink>(type, output.limit());
    case proto::OUTPUT_FILES:
    case proto::OUTPUT_ROLLING: return makeFileSink(output, type, run.spec());
    default: return std::make_unique<NoSink>();
  }
}

}  // namespace

std::size_t reducersOf(const PlanView& view, ExchangeId exchange, const Facts& facts) { return routingOf(view, exchange, facts).reducers; }

std::unique_ptr<Sink> makeSink(TaskRun& run) {
  const PlanView& view = run.plan().view;
  const Stage& stage = view.stages()[run.spec().stage];
  const NodeCode& code = run.plan().codeOf(stage.root);
  switch (stage.sink) {
    case Stage::Sink::kExchange:
      return makeExchangeSink(stage.exchange, *code.type, run);
    case Stage::Sink::kKeep: {
      if (code.op && code.op->form == OpDesc::Form::kStateful) return std::make_unique<StatefulSink>(*code.type, run);
      const proto::Keep& keep = view.node(stage.root).keep();
      return std::make_unique<RowsSink>(*code.type, keep.state() ? ObjectKind::kState : ObjectKind::kKept,
                                        !keep.disk() && !keep.state(), run, keep.disk_only());
    }
    case Stage::Sink::kOutput: break;
  }
  return makeOutputSink(view.plan().outputs(int(stage.output)), *code.type, run);
}

}  // namespace sluice::executor
