// The joins of two datasets of pairs: the left side in a table, the right side past it.
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

#include "sluice/key_table.h"
#include "sluice/ops/output_chunk.h"
#include "sluice/shipped.h"

namespace sluice {
inline namespace SLUICE_ABI {
namespace ops {

// Input 0: pair<view K, V>; input 1: pair<view K, W>. Gives pair<K, pair<V, W>> for each value of one side with each of the other: in the
// order of the right side, and of the left one within it. An outer side without values gives one std::nullopt; where the right side
// is the optional one, left values without a partner come last.
template <class K, class V, class W, bool leftOptional, bool rightOptional>
class SLUICE_HIDDEN Join : public PullOperator, public Ships<Join<K, V, W, leftOptional, rightOptional>, OpDesc::Form::kPullByKey> {
  template <class X, bool optional> using Side = std::conditional_t<optional, std::optional<X>, X>;
  using Sides = std::pair<Side<V, leftOptional>, Side<W, rightOptional>>;

 public:
  using Record = std::pair<K, Sides>;
  static OpRef of() { return Join::ship(); }

  bool next(Cursor* const* inputs, std::size_t count, Chunk& out, TaskContext&) override {
    if (!std::exchange(read_, true)) {
      if (count != 2) throwError(ErrorKind::kIllegalState, "a join was given another number of inputs than two");
      readLeft(*inputs[0]);
    }
    out_.clear();
    while (!out_.full() && passRight(*inputs[1])) {
    }
    if constexpr (rightOptional) {
      while (!out_.full() && giveUnmatched()) {
      }
    }
    out = out_.chunk();
    return out.size != 0;
  }

 private:
  static constexpr std::uint32_t kNone = ~0u;
  struct Chain {  // of a key's values, in values_
    std::uint32_t first = kNone, last = kNone;
    bool matched = false;
  };

  void readLeft(Cursor& left) {
    Chunk in;
    while (left.next(in)) {
      for (std::size_t i = 0; i < in.size; ++i) {
        auto& record = in.as<std::pair<view_t<K>, V>>()[i];
        if (values_.size() == kNone) throwError(ErrorKind::kInvalidArgument, "more than 2^32 values on the left side of one partition of a join; use more partitions");
        auto at = std::uint32_t(values_.size());
        values_.push_back(std::move(record.second));
        next_.push_back(kNone);
        Chain& chain = table_[record.first];
        (chain.first == kNone ? chain.first : next_[chain.last]) = at;
        chain.last = at;
      }
    }
  }

  // Up to one record of the right side with its partners; false at the end.
  bool passRight(Cursor& right) {
    if (rightEnded_) return false;
    if (at_ == in_.size) {
      at_ = 0;
      if (!right.next(in_)) {
        in_ = {};
        rightEnded_ = true;
        return false;
      }
    }
    auto& record = in_.as<std::pair<view_t<K>, W>>()[at_];
    if (partner_ == kNone) {
      Chain* chain = table_.find(record.first);
      if (!chain) {
        if constexpr (leftOptional) out_.emplace(toRecord<K>(record.first), Sides(std::nullopt, std::move(record.second)));
        ++at_;
        return true;
      }
      chain->matched = true;
      partner_ = chain->first;
    }
    for (; partner_ != kNone; partner_ = next_[partner_]) {
      if (out_.full()) return true;
      out_.emplace(toRecord<K>(record.first), Sides(values_[partner_], record.second));
    }
    ++at_;
    return true;
  }

  bool giveUnmatched() {
    if (key_ == table_.size()) return false;
    Chain& chain = table_.value(key_);
    if (partner_ == kNone) partner_ = chain.matched ? kNone : chain.first;
    for (; partner_ != kNone; partner_ = next_[partner_]) {
      if (out_.full()) return true;
      out_.emplace(table_.key(key_), Sides(std::move(values_[partner_]), std::nullopt));
    }
    ++key_;
    return true;
  }

  KeyTable<K, Chain> table_;
  std::vector<V> values_;
  std::vector<std::uint32_t> next_;  // parallel: the key's next value
  Chunk in_;
  std::size_t at_ = 0, key_ = 0;
  std::uint32_t partner_ = kNone;
  bool read_ = false, rightEnded_ = false;
  OutputChunk<Record> out_;
};

}  // namespace ops
}  // inline namespace SLUICE_ABI
}  // namespace sluice
