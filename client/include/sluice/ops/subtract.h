// subtract and subtractByKey: the left pairs whose key the right side has not.
#pragma once
#include <cstddef>
#include <utility>

#include "sluice/key_table.h"
#include "sluice/ops/holding.h"
#include "sluice/ops/output_chunk.h"
#include "sluice/shipped.h"

namespace sluice {
inline namespace SLUICE_ABI {
namespace ops {

// Input 0: pair<view K, V>, input 1: pair<view K, Unit>. Only the right side's keys are held; the left pairs keep their order.
template <class K, class V> class SLUICE_HIDDEN SubtractByKey : public PullOperator, public Ships<SubtractByKey<K, V>, OpDesc::Form::kPullByKey> {
 public:
  using Record = std::pair<K, V>;
  using Left = std::pair<view_t<K>, V>;
  using Right = std::pair<view_t<K>, Unit>;
  static OpRef of() { return SubtractByKey::ship(); }

  bool next(Cursor* const* inputs, std::size_t, Chunk& out, TaskContext& task) override {
    if (!std::exchange(read_, true)) readRight(*inputs[1], task);
    out_.clear();
    while (!out_.full()) {
      if (at_ == left_.size) {
        at_ = 0, left_ = {};
        if (out_.size() != 0 || !inputs[0]->next(left_)) break;  // what was made is handed on before more is read
      }
      for (; at_ < left_.size && !out_.full(); ++at_) {
        Left& record = left_.as<Left>()[at_];
        if (!gone_.contains(record.first)) out_.emplace(toRecord<K>(record.first), std::move(record.second));
      }
    }
    out = out_.chunk();
    return out.size != 0;
  }

 private:
  void readRight(Cursor& cursor, TaskContext& task) {
    Chunk in;
    while (cursor.next(in)) {
      for (std::size_t i = 0; i < in.size; ++i) gone_[in.as<Right>()[i].first];
      if (!holding_.now(task, gone_.memory())) throwKeysTooLarge();
    }
  }

  Holding holding_;
  KeyTable<K, Unit> gone_;
  Chunk left_;
  std::size_t at_ = 0;
  OutputChunk<Record> out_;
  bool read_ = false;
};

}  // namespace ops
}  // inline namespace SLUICE_ABI
}  // namespace sluice
