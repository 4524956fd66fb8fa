// cartesian: every record of the left partition with every one of the right, in this order.
#pragma once
#include <cstddef>
#include <optional>
#include <utility>
#include <vector>

#include "sluice/ops/holding.h"
#include "sluice/ops/output_chunk.h"
#include "sluice/ops/spilled_rows.h"
#include "sluice/shipped.h"

namespace sluice {
inline namespace SLUICE_ABI {
namespace ops {

// The right partition is held; where it does not fit into the task's share of memory it lies on the disk and is read once for each record
// of the left. Records that are views stay in memory: what they point into is there anyway.
template <class A, class B> class SLUICE_HIDDEN Cartesian : public PullOperator, public Ships<Cartesian<A, B>, OpDesc::Form::kPull> {
  static constexpr bool kSpills = kEncodable<B> && !has_view<B>::value;

 public:
  using Record = std::pair<A, B>;
  static OpRef of() { return Cartesian::ship(); }

  bool next(Cursor* const* inputs, std::size_t, Chunk& out, TaskContext& task) override {
    if (!std::exchange(read_, true)) readRight(*inputs[1], task);
    out_.clear();
    if (spill_ || !right_.empty()) {
      while (!out_.full() && (at_ < left_.size || nextLeft(*inputs[0]))) pair();
    }
    out = out_.chunk();
    return out.size != 0;
  }

 private:
  void readRight(Cursor& cursor, TaskContext& task) {
    Chunk in;
    std::size_t held = 0;
    std::optional<RunWriter<B>> writer;
    while (cursor.next(in)) {
      for (std::size_t i = 0; i < in.size; ++i) {
        B& record = in.as<B>()[i];
        if constexpr (kSpills) {
          if (writer) {
            writer->add(record);
            continue;
          }
        }
        held += sizeof(B) + heldBytes(record);
        right_.push_back(std::move(record));
      }
      if constexpr (!kSpills) {
        if (!holding_.now(task, held)) throwPartitionTooLarge();
      } else {
        if (writer || held <= task.memoryShare()) continue;
        spill_ = task.newSpill();
        writer.emplace(*spill_);
        for (const B& record : right_) writer->add(record);
        std::vector<B>().swap(right_);
      }
    }
    if (writer) writer->flush();
  }
  bool nextLeft(Cursor& cursor) {
    at_ = 0;
    if (cursor.next(left_)) return true;
    left_ = {};
    return false;
  }
  // Goes on with the left record at at_, as far as there is room.
  void pair() {
    const A& left = left_.as<A>()[at_];
    if constexpr (kSpills) {
      if (spill_) {
        if (!again_) again_.emplace(*spill_);
        while (!out_.full()) {
          std::optional<B> right = again_->next();
          if (!right) {
            again_.reset();
            ++at_;
            return;
          }
          out_.emplace(left, *std::move(right));
        }
        return;
      }
    }
    for (; with_ < right_.size() && !out_.full(); ++with_) out_.emplace(left, std::as_const(right_[with_]));
    if (with_ == right_.size()) with_ = 0, ++at_;
  }

  Holding holding_;
  std::vector<B> right_;
  Spill* spill_ = nullptr;
  std::optional<RunReader<B>> again_;
  Chunk left_;
  std::size_t at_ = 0, with_ = 0;  // in left_ and right_
  OutputChunk<Record> out_;
  bool read_ = false;
};

}  // namespace ops
}  // inline namespace SLUICE_ABI
}  // namespace sluice
