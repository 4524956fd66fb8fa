// reduceByKeyAndWindow with an inverse: the window's value from its previous one, what entered and what left.
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>

#include "sluice/key_table.h"
#include "sluice/ops/combine.h"
#include "sluice/ops/functors.h"
#include "sluice/shipped.h"

namespace sluice {
inline namespace SLUICE_ABI {
namespace ops {

// Inputs of pair<view K, C>: 0 the own previous value, then `entering` panes, then `leaving` ones. For a known key
// f(inv(previous, all that left), all that entered), for a new one what entered; what left of an unknown key counts for nothing. Pairs for
// which filter(pair<K, C>) is false are forgotten.
template <class K, class C, class F, class Inv, class Filter = KeepAll>
class SLUICE_HIDDEN InverseWindow : public PullOperator,
                                    public Ships<InverseWindow<K, C, F, Inv, Filter>, OpDesc::Form::kPullByKey, F, Inv, Filter, Value<std::uint32_t>, Value<std::uint32_t>> {
 public:
  using Record = std::pair<K, C>;
  using Input = std::pair<view_t<K>, C>;
  static OpRef of(F f, Inv inverse, Filter filter, std::uint32_t entering, std::uint32_t leaving) {
    return InverseWindow::ship(f, inverse, filter, entering, leaving);
  }
  InverseWindow(F f, Inv inverse, Filter filter, std::uint32_t entering, std::uint32_t leaving)
      : f_(std::move(f)), inverse_(std::move(inverse)), filter_(std::move(filter)), entering_(entering), leaving_(leaving) {}

  bool next(Cursor* const* inputs, std::size_t count, Chunk& out, TaskContext&) override {
    if (!std::exchange(read_, true)) {
      if (count != 1 + std::size_t(entering_) + leaving_) throwError(ErrorKind::kIllegalState, "an inverse window was given another number of panes than it has");
      readInto(*inputs[0], &Entry::previous);
      // From the oldest to the newest: edges list the newest first.
      for (std::size_t i = entering_; i > 0; --i) readInto(*inputs[i], &Entry::entering);
      for (std::size_t i = leaving_; i > 0; --i) readInto(*inputs[entering_ + i], &Entry::leaving);
    }
    out_.clear();
    for (; at_ < table_.size() && !out_.full(); ++at_) emit(table_.value(at_));
    out = out_.chunk();
    return out.size != 0;
  }

 private:
  struct Entry {
    std::optional<C> previous, entering, leaving;
  };

  void readInto(Cursor& cursor, std::optional<C> Entry::*part) {
    Chunk in;
    while (cursor.next(in)) {
      for (std::size_t i = 0; i < in.size; ++i) {
        Input& record = in.as<Input>()[i];
        std::optional<C>& sum = table_[record.first].*part;
        if (sum) sum = mergeInto<C>(f_, *sum, record.second);
        else sum = std::move(record.second);
      }
    }
  }

  void emit(Entry& entry) {
    if (entry.previous) {
      if (entry.leaving) entry.previous = mergeInto<C>(inverse_, *entry.previous, *entry.leaving);
      if (entry.entering) entry.previous = mergeInto<C>(f_, *entry.previous, *entry.entering);
    } else if (entry.entering) {
      entry.previous = std::move(entry.entering);
    } else {
      return;
    }
    Record record(table_.key(at_), *std::move(entry.previous));
    if (filter_(std::as_const(record))) out_.emplace(std::move(record));
  }

  F f_;
  Inv inverse_;
  Filter filter_;
  std::uint32_t entering_, leaving_;
  KeyTable<K, Entry> table_;
  OutputChunk<Record> out_;
  std::size_t at_ = 0;
  bool read_ = false;
};

}  // namespace ops
}  // inline namespace SLUICE_ABI
}  // namespace sluice
