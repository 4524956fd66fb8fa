// updateStateByKey: every known key, every batch.
#pragma once
#include <cstddef>
#include <optional>
#include <tuple>
#include <utility>
#include <vector>

#include "sluice/iterator.h"
#include "sluice/key_table.h"
#include "sluice/ops/combine.h"
#include "sluice/ops/map_partitions.h"
#include "sluice/shipped.h"

namespace sluice {
inline namespace SLUICE_ABI {

// What the partition form of updateStateByKey goes over: a key, its values of the batch, its state so far.
template <class K, class V, class S> using KeyedUpdate = std::tuple<K, std::vector<V>, std::optional<S>>;

namespace ops {

// The state so far and the batch's values by key: known keys in their order, then new ones as they came. Input 0: the own previous version,
// pair<view K, S>. Input 1: the batch's pair<view K, V>. Input 2, if there is one: initial pair<view K, S>, taken only while the previous
// version is empty.
template <class K, class V, class S> class SLUICE_HIDDEN StateAndValues {
 public:
  using Known = std::pair<view_t<K>, S>;
  using Input = std::pair<view_t<K>, V>;
  struct Entry {
    std::vector<V> values;
    std::optional<S> state;
  };

  void read(Cursor* const* inputs, std::size_t count) {
    readStates(*inputs[0]);
    if (count > 2 && table_.empty()) readStates(*inputs[2]);
    Chunk in;
    while (inputs[1]->next(in))
      for (std::size_t i = 0; i < in.size; ++i) table_[in.as<Input>()[i].first].values.push_back(std::move(in.as<Input>()[i].second));
  }
  KeyTable<K, Entry>& table() { return table_; }

 private:
  void readStates(Cursor& cursor) {
    Chunk in;
    while (cursor.next(in))
      for (std::size_t i = 0; i < in.size; ++i) table_[in.as<Known>()[i].first].state = std::move(in.as<Known>()[i].second);
  }
  KeyTable<K, Entry> table_;
};

// How an update function is called: (values, state), or (Time, key, values, state) with the key as a view or owned.
template <class F, class K, class V, class S> struct UpdateCall {
  using View = view_t<K>;
  static constexpr bool kPlain = kCallable<F, std::vector<V>, std::optional<S>>;
  static constexpr bool kTimedView = kCallable<F, Time, View, std::vector<V>, std::optional<S>>;
  static constexpr bool kTimedKey = kCallable<F, Time, K, std::vector<V>, std::optional<S>>;
  static constexpr bool kAny = kPlain || kTimedView || kTimedKey;

  template <class Key> static std::optional<S> call(F& f, Time batch, const Key& key, std::vector<V>& values, std::optional<S>& state) {
    if constexpr (kPlain) {
      return sluice::call(f, values, state);
    } else if constexpr (kTimedView) {
      View view(key);
      return sluice::call(f, batch, view, values, state);
    } else {
      auto owned = toRecord<K>(key);
      return sluice::call(f, batch, owned, values, state);
    }
  }
};

// f -> optional<S> for each key; a key without a state is forgotten. Emits pair<K, S>.
template <class K, class V, class S, class F>
class SLUICE_HIDDEN UpdateState : public PullOperator, public Ships<UpdateState<K, V, S, F>, OpDesc::Form::kPullByKey, F> {
  static_assert(UpdateCall<F, K, V, S>::kAny,
                "sluice: updateStateByKey needs a function (const std::vector<V>& values, std::optional<S> state) -> std::optional<S>");

 public:
  using Record = std::pair<K, S>;
  using Known = typename StateAndValues<K, V, S>::Known;
  using Input = typename StateAndValues<K, V, S>::Input;
  static OpRef of(F f) { return UpdateState::ship(f); }
  explicit UpdateState(F f) : f_(std::move(f)) {}

  bool next(Cursor* const* inputs, std::size_t count, Chunk& out, TaskContext& task) override {
    if (!std::exchange(read_, true)) all_.read(inputs, count);
    auto& table = all_.table();
    out_.clear();
    for (; at_ < table.size() && !out_.full(); ++at_) {
      auto& entry = table.value(at_);
      auto state = UpdateCall<F, K, V, S>::call(f_, task.batchTime(), table.key(at_), entry.values, entry.state);
      if (state) out_.emplace(table.key(at_), *std::move(state));
    }
    out = out_.chunk();
    return out.size != 0;
  }

 private:
  F f_;
  StateAndValues<K, V, S> all_;
  OutputChunk<Record> out_;
  std::size_t at_ = 0;
  bool read_ = false;
};

// f(Iterator<KeyedUpdate<K, V, S>>&) -> range of pair<K, S>, once for each partition.
template <class K, class V, class S, class F>
class SLUICE_HIDDEN UpdateStates : public PullOperator, public Ships<UpdateStates<K, V, S, F>, OpDesc::Form::kPull, F> {
  using Update = KeyedUpdate<K, V, S>;

 public:
  using Record = std::pair<K, S>;
  using Known = typename StateAndValues<K, V, S>::Known;
  using Input = typename StateAndValues<K, V, S>::Input;
  static OpRef of(F f) { return UpdateStates::ship(f); }
  explicit UpdateStates(F f) : f_(std::move(f)) {}

  bool next(Cursor* const* inputs, std::size_t count, Chunk& out, TaskContext&) override {
    if (!std::exchange(read_, true)) updates_.all.read(inputs, count);
    Cursor* from[] = {&updates_};
    return partition_.next(from, out, [&](Iterator<Update>& updates) -> decltype(auto) { return f_(updates); });
  }

 private:
  struct Updates final : Cursor {
    bool next(Chunk& out) override {
      auto& table = all.table();
      chunk.clear();
      for (; at < table.size() && !chunk.full(); ++at) {
        auto& entry = table.value(at);
        chunk.emplace(toRecord<K>(table.key(at)), std::move(entry.values), std::move(entry.state));
      }
      out = chunk.chunk();
      return out.size != 0;
    }
    StateAndValues<K, V, S> all;
    OutputChunk<Update> chunk;
    std::size_t at = 0;
  };

  F f_;
  Updates updates_;
  PartitionRange<Update, Record, std::remove_cvref_t<std::invoke_result_t<F&, Iterator<Update>&>>> partition_;
  bool read_ = false;
};

}  // namespace ops
}  // inline namespace SLUICE_ABI
}  // namespace sluice
