// mapWithState: a function over each record of a batch and its key's state. What is not touched costs nothing.
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <type_traits>
#include <utility>

#include "sluice/key_table.h"
#include "sluice/ops/output_chunk.h"
#include "sluice/shipped.h"
#include "sluice/state.h"

namespace sluice {
inline namespace SLUICE_ABI {
namespace ops {

// How F is called: the key as a view or owned, with the batch's time before it or not.
template <class F, class K, class V, class S> struct StateCall {
  using View = view_t<K>;
  static constexpr bool kTimedView = std::is_invocable_v<F&, Time, View, std::optional<V>, State<S>&>;
  static constexpr bool kTimedKey = std::is_invocable_v<F&, Time, K, std::optional<V>, State<S>&>;
  static constexpr bool kView = std::is_invocable_v<F&, View, std::optional<V>, State<S>&>;
  static constexpr bool kKey = std::is_invocable_v<F&, K, std::optional<V>, State<S>&>;
  static constexpr bool kTimed = kTimedView || kTimedKey;
  static constexpr bool kAny = kTimed || kView || kKey;

  static decltype(auto) call(F& f, Time batch, const View& key, std::optional<V>&& value, State<S>& state) {
    if constexpr (kTimedView) return f(batch, View(key), std::move(value), state);
    else if constexpr (kTimedKey) return f(batch, toRecord<K>(key), std::move(value), state);
    else if constexpr (kView) return f(View(key), std::move(value), state);
    else if constexpr (kKey) return f(toRecord<K>(key), std::move(value), state);
  }
  using Result = decltype(call(std::declval<F&>(), Time(), std::declval<View>(), std::declval<std::optional<V>>(), std::declval<State<S>&>()));
};

// A key's canonical bytes back to the key.
template <class View> View keyFrom(std::string_view bytes) {
  if constexpr (std::is_same_v<View, std::string_view>) {
    return bytes;
  } else {
    RowReader in{bytes.data(), bytes.data() + bytes.size()};
    return Codec<View>::get(in);
  }
}

// Input 0: pair<view K, V>. Input 1, if there is one: initial pair<view K, S>, taken while the state is empty. Emits M in the order of the
// records, then of the keys that time out. timeoutMs 0: none does.
template <class K, class V, class S, class M, class F>
class SLUICE_HIDDEN MapWithState : public PullOperator,
                                   public Ships<MapWithState<K, V, S, M, F>, OpDesc::Form::kStateful, F, Value<std::int64_t>> {
  using View = view_t<K>;
  using Call = StateCall<F, K, V, S>;

 public:
  using Input = std::pair<View, V>;
  using Initial = std::pair<View, S>;
  static OpRef of(F f, std::int64_t timeoutMs) { return MapWithState::ship(f, timeoutMs); }
  MapWithState(F f, std::int64_t timeoutMs) : f_(std::move(f)), timeoutMs_(timeoutMs) {}

  bool next(Cursor* const* inputs, std::size_t count, Chunk& out, TaskContext& task) override {
    if (!store_) {
      store_ = task.state();
      if (!store_) throwError(ErrorKind::kIllegalState, "mapWithState runs without its state");
      if (count > 1 && store_->empty()) begin(*inputs[1]);
    }
    out_.clear();
    while (!out_.full() && phase_ != Phase::kOver) {
      if (phase_ == Phase::kRecords) records(*inputs[0], task);
      else idle(task);
    }
    out = out_.chunk();
    return out.size != 0;
  }

 private:
  enum class Phase : std::uint8_t { kRecords, kIdle, kOver };
  struct Entry {
    State<S> state;
    bool known = false;  // looked for
    bool stored = false, write = false;
  };

  void begin(Cursor& initial) {
    Chunk in;
    while (initial.next(in)) {
      for (std::size_t i = 0; i < in.size; ++i) {
        Initial& record = in.as<Initial>()[i];
        Entry& entry = table_[record.first];
        entry.known = entry.write = true;
        entry.state.value_ = std::move(record.second);
      }
    }
  }

  void records(Cursor& input, TaskContext& task) {
    if (at_ == in_.size) {
      at_ = 0;
      if (!input.next(in_)) {
        in_ = {};
        phase_ = Phase::kIdle;
        return;
      }
    }
    for (; at_ < in_.size && !out_.full(); ++at_) {
      Input& record = in_.as<Input>()[at_];
      Entry& entry = table_[record.first];
      if (!entry.known) look(record.first, entry);
      State<S>& state = entry.state;
      state.updated_ = state.removed_ = false;
      emit(Call::call(f_, task.batchTime(), record.first, std::optional<V>(std::move(record.second)), state));
      // With a timeout a record refreshes the key's time, updated or not.
      entry.write |= state.updated_ || state.removed_ || (timeoutMs_ > 0 && state.exists());
    }
  }

  void idle(TaskContext& task) {
    StateEntry found;
    while (timeoutMs_ > 0 && store_->nextIdle(task.batchTime().milliseconds() - timeoutMs_, found)) {
      View key = keyFrom<View>(found.key);
      Entry& entry = table_[key];
      if (entry.known) continue;  // it had a record in this batch
      entry.known = entry.stored = entry.write = true;
      State<S> state;
      state.value_ = valueOf(found);
      state.timingOut_ = true;
      emit(Call::call(f_, task.batchTime(), key, std::nullopt, state));
      if (out_.full()) return;
    }
    writeBack(task);
    phase_ = Phase::kOver;
  }

  void look(const View& key, Entry& entry) {
    StateEntry found;
    entry.known = true;
    entry.stored = withKeyBytes(key, [&](const char* bytes, std::size_t size) { return store_->find({bytes, size}, found); });
    if (entry.stored) entry.state.value_ = valueOf(found);
  }
  static S valueOf(const StateEntry& entry) {
    RowReader in{entry.value.data(), entry.value.data() + entry.value.size()};
    return Codec<S>::get(in);
  }

  template <class R> void emit(R&& result) {
    if constexpr (Call::kTimed) {
      if (result) out_.make([&] { return toRecord<M>(*std::forward<R>(result)); });
    } else {
      out_.make([&] { return toRecord<M>(std::forward<R>(result)); });
    }
  }

  void writeBack(TaskContext& task) {
    Buffer row;
    for (std::size_t i = 0; i < table_.size(); ++i) {
      Entry& entry = table_.value(i);
      if (!entry.write) continue;
      withKeyBytes(table_.key(i), [&](const char* bytes, std::size_t size) {
        if (entry.state.exists()) {
          row.clear();
          encodeValue(entry.state.get(), row);
          store_->put({bytes, size}, row.view(), task.batchTime().milliseconds());
        } else if (entry.stored) {
          store_->remove({bytes, size});
        }
      });
    }
  }

  F f_;
  const std::int64_t timeoutMs_;
  StateStore* store_ = nullptr;
  KeyTable<K, Entry> table_;
  OutputChunk<M> out_;
  Chunk in_;
  std::size_t at_ = 0;
  Phase phase_ = Phase::kRecords;
};

// The entries of a state, as pair<K, S>.
template <class K, class S>
class SLUICE_HIDDEN StateEntries : public StepOperator, public Ships<StateEntries<K, S>, OpDesc::Form::kStep> {
 public:
  static OpRef of() { return StateEntries::ship(); }
  Step process(Chunk in, Chunk& out, TaskContext&) override {
    out_.clear();
    for (; at_ < in.size && !out_.full(); ++at_) {
      const StateEntry& entry = in.as<StateEntry>()[at_];
      RowReader value{entry.value.data(), entry.value.data() + entry.value.size()};
      out_.emplace(toRecord<K>(keyFrom<view_t<K>>(entry.key)), Codec<S>::get(value));
    }
    out = out_.chunk();
    if (at_ < in.size) return Step::kHaveMore;
    at_ = 0;
    return Step::kNeedInput;
  }

 private:
  OutputChunk<std::pair<K, S>> out_;
  std::size_t at_ = 0;
};

}  // namespace ops
}  // inline namespace SLUICE_ABI
}  // namespace sluice
