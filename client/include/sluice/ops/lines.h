// Records as the lines in which they are printed.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>

#include "sluice/ops/output_chunk.h"
#include "sluice/print.h"
#include "sluice/shipped.h"

namespace sluice {
inline namespace SLUICE_ABI {
namespace ops {

// At most `limit` lines, then no more input is wanted.
template <class T> class SLUICE_HIDDEN LinePrinter : public StepOperator {
  static_assert(kPrintable<T>, "sluice: this type cannot be printed; add SLUICE_FIELDS(Type, field, ...) as the last line of its struct, or map to text first");

 public:
  using Record = std::string;
  explicit LinePrinter(std::uint64_t limit) : left_(limit) {}

  Step process(Chunk in, Chunk& out, TaskContext&) override {
    out_.clear();
    const T* records = in.as<T>();
    for (; at_ < in.size && left_ != 0 && !out_.full(); ++at_, --left_) {
      text_.clear();
      print(records[at_], text_);
      out_.emplace(text_.view());
    }
    out = out_.chunk();
    if (left_ == 0) return Step::kFinished;
    if (at_ < in.size) return Step::kHaveMore;
    at_ = 0;
    return Step::kNeedInput;
  }

 private:
  std::uint64_t left_;
  std::size_t at_ = 0;
  Buffer text_;
  OutputChunk<std::string> out_;
};

template <class T> class SLUICE_HIDDEN PrintLines : public LinePrinter<T>, public Ships<PrintLines<T>, OpDesc::Form::kStep, Value<std::uint64_t>> {
 public:
  static OpRef of(std::uint64_t limit) { return PrintLines::ship(limit); }
  using LinePrinter<T>::LinePrinter;
};

template <class T> class SLUICE_HIDDEN TextLines : public LinePrinter<T>, public Ships<TextLines<T>, OpDesc::Form::kStep> {
 public:
  static OpRef of() { return TextLines::ship(); }
  TextLines() : LinePrinter<T>(UINT64_MAX) {}
};

}  // namespace ops
}  // inline namespace SLUICE_ABI
}  // namespace sluice
