// updateStateByKey: every known key, every batch.
#pragma once
#include <cstddef>
#include <optional>
#include <utility>
#include <vector>

#include "sluice/key_table.h"
#include "sluice/ops/output_chunk.h"
#include "sluice/shipped.h"

namespace sluice {
inline namespace SLUICE_ABI {
namespace ops {

// Input 0: the own previous version, pair<view K, S>. Input 1: the batch's pair<view K, V>. Input 2, if there is one: initial pair<view K,
// S>, taken only while the previous version is empty. f(vector<V>, optional<S>) -> optional<S>; a key without a state is forgotten.
// Emits pair<K, S>: known keys in their order, then new ones as they came.
template <class K, class V, class S, class F>
class SLUICE_HIDDEN UpdateState : public PullOperator, public Ships<UpdateState<K, V, S, F>, OpDesc::Form::kPullByKey, F> {
  static_assert(kCallable<F, std::vector<V>, std::optional<S>>,
                "sluice: updateStateByKey needs a function (const std::vector<V>& values, std::optional<S> state) -> std::optional<S>");

 public:
  using Record = std::pair<K, S>;
  using Known = std::pair<view_t<K>, S>;
  using Input = std::pair<view_t<K>, V>;
  static OpRef of(F f) { return UpdateState::ship(f); }
  explicit UpdateState(F f) : f_(std::move(f)) {}

  bool next(Cursor* const* inputs, std::size_t count, Chunk& out, TaskContext&) override {
    if (!std::exchange(read_, true)) {
      readStates(*inputs[0]);
      if (count > 2 && table_.empty()) readStates(*inputs[2]);
      readValues(*inputs[1]);
    }
    out_.clear();
    for (; at_ < table_.size() && !out_.full(); ++at_) {
      Entry& entry = table_.value(at_);
      std::optional<S> state = call(f_, entry.values, entry.state);
      if (state) out_.emplace(table_.key(at_), *std::move(state));
    }
    out = out_.chunk();
    return out.size != 0;
  }

 private:
  struct Entry {
    std::vector<V> values;
    std::optional<S> state;
  };

  void readStates(Cursor& cursor) {
    Chunk in;
    while (cursor.next(in))
      for (std::size_t i = 0; i < in.size; ++i) table_[in.as<Known>()[i].first].state = std::move(in.as<Known>()[i].second);
  }
  void readValues(Cursor& cursor) {
    Chunk in;
    while (cursor.next(in))
      for (std::size_t i = 0; i < in.size; ++i) table_[in.as<Input>()[i].first].values.push_back(std::move(in.as<Input>()[i].second));
  }

  F f_;
  KeyTable<K, Entry> table_;
  OutputChunk<Record> out_;
  std::size_t at_ = 0;
  bool read_ = false;
};

}  // namespace ops
}  // inline namespace SLUICE_ABI
}  // namespace sluice
