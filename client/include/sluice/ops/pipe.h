// pipe: a command for each partition, fed with the records as lines; the lines that it writes are the new records.
#pragma once
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "sluice/buffer.h"
#include "sluice/ops/output_chunk.h"
#include "sluice/piped_command.h"
#include "sluice/print.h"
#include "sluice/shipped.h"

namespace sluice {
inline namespace SLUICE_ABI {
namespace ops {

// The hooks that are not given.
struct NoContext {
  void operator()(PipeInput&) const {}
};
struct PrintElement {
  template <class T> void operator()(const T& record, PipeInput& print) const {
    static_assert(kPrintable<T>, "sluice: this type cannot be printed; add SLUICE_FIELDS(Type, field, ...) as the last line of its struct, or map to text first");
    Buffer line;
    sluice::print(record, line);
    print(line.view());
  }
};

template <class T, class Context, class Element>
class SLUICE_HIDDEN Pipe : public PullOperator,
                           public Ships<Pipe<T, Context, Element>, OpDesc::Form::kPull, Value<std::vector<std::string>>,
                                        Value<std::map<std::string, std::string>>, Context, Element> {
 public:
  using Record = std::string;
  static OpRef of(const std::vector<std::string>& command, const std::map<std::string, std::string>& environment, Context context, Element element) {
    return Pipe::ship(command, environment, context, element);
  }
  Pipe(std::vector<std::string> command, std::map<std::string, std::string> environment, Context context, Element element)
      : command_(std::move(command)), environment_(std::move(environment)), context_(std::move(context)), element_(std::move(element)) {}

  bool next(Cursor* const* inputs, std::size_t, Chunk& out, TaskContext& task) override {
    out_.clear();
    while (!ended_ && !out_.full()) {
      if (!running_) {
        running_.emplace(command_, environment_);
        PipeInput print(running_->input());
        context_(print);
      }
      switch (running_->next(line_, task)) {
        case PipedCommand::Step::kLine: out_.emplace(line_); break;
        case PipedCommand::Step::kInput: feed(*inputs[0]); break;
        case PipedCommand::Step::kEnd: ended_ = true; break;
      }
    }
    out = out_.chunk();
    return out.size != 0;
  }

 private:
  void feed(Cursor& records) {
    Chunk in;
    if (!records.next(in)) return running_->endInput();
    PipeInput print(running_->input());
    for (std::size_t i = 0; i < in.size; ++i) element_(std::as_const(in.as<T>()[i]), print);
  }

  const std::vector<std::string> command_;
  const std::map<std::string, std::string> environment_;
  Context context_;
  Element element_;
  std::optional<PipedCommand> running_;
  std::string line_;
  OutputChunk<std::string> out_;
  bool ended_ = false;
};

}  // namespace ops
}  // inline namespace SLUICE_ABI
}  // namespace sluice
