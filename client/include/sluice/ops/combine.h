// Combining by key: on the map side, and merging what arrives on the reduce side.
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

// f(accumulated, value) as C. A view that f would not take is copied for it.
template <class C, class F, class V> C mergeInto(F& f, C& accumulated, V& value) {
  if constexpr (kCallable<F, C, V>) {
    return toRecord<C>(call(f, accumulated, value));
  } else {
    auto owned = toRecord<owned_t<V>>(std::move(value));
    return toRecord<C>(call(f, accumulated, owned));
  }
}
template <class C, class F, class V> C createFrom(F& f, V& value) {
  if constexpr (kCallable<F, V>) {
    return toRecord<C>(call(f, value));
  } else {
    auto owned = toRecord<owned_t<V>>(std::move(value));
    return toRecord<C>(call(f, owned));
  }
}

// Emits a table's (key, value) pairs in the order of insertion.
template <class K, class C> class SLUICE_HIDDEN TableOutput {
 public:
  // Fills a chunk; true if there are more.
  bool fill(KeyTable<K, C>& table, Chunk& out) {
    out_.clear();
    for (; at_ < table.size() && !out_.full(); ++at_) out_.emplace(table.key(at_), std::move(table.value(at_)));
    out = out_.chunk();
    return at_ < table.size();
  }
  void restart() { at_ = 0; }

 private:
  OutputChunk<std::pair<K, C>> out_;
  std::size_t at_ = 0;
};

// Values of each key combined as they come, and what that holds.
template <class K, class V, class C, class Create, class MergeV> class SLUICE_HIDDEN CombiningTable {
 public:
  CombiningTable(Create create, MergeV merge) : create_(std::move(create)), merge_(std::move(merge)) {}

  template <class Key> void add(Key& key, V& value) {
    // What becomes of a value is not known where C does not tell: as if it was kept.
    if constexpr (!std::is_trivially_destructible_v<C> && !KnowsItsMemory<C>) held_ += sizeof(V) + heldBytes(value);
    table_.upsert(key, [&] { return created(value); }, [&](C& sum) { merge(sum, value); });
  }
  std::size_t memory() const { return table_.memory() + held_; }
  // Fills a chunk with pairs; true if there are more.
  bool fill(Chunk& out) { return output_.fill(table_, out); }
  void restart() {
    output_.restart();
    table_.clear();
    held_ = 0;
  }

 private:
  C created(V& value) {
    C sum = createFrom<C>(create_, value);
    if constexpr (KnowsItsMemory<C>) held_ += sum.memory();
    return sum;
  }
  void merge(C& sum, V& value) {
    if constexpr (KnowsItsMemory<C>) held_ -= sum.memory();
    sum = mergeInto<C>(merge_, sum, value);
    if constexpr (KnowsItsMemory<C>) held_ += sum.memory();
  }

  Create create_;
  MergeV merge_;
  KeyTable<K, C> table_;
  TableOutput<K, C> output_;
  std::size_t held_ = 0;
};

// Map side: pair<K, V> -> pair<owned K, C>. Emits when the input ends, and before whenever the table outgrows the task's share.
template <class K, class V, class C, class Create, class MergeV>
class SLUICE_HIDDEN Combine : public StepOperator, public Ships<Combine<K, V, C, Create, MergeV>, OpDesc::Form::kStep, Create, MergeV> {
  using Key = owned_t<K>;

 public:
  using Record = std::pair<Key, C>;
  static OpRef of(Create create, MergeV merge) { return Combine::ship(create, merge); }
  Combine(Create create, MergeV merge) : table_(std::move(create), std::move(merge)) {}

  Step process(Chunk in, Chunk& out, TaskContext& task) override {
    out = {};
    if (!emitting_) {
      add(in, task);
      if (table_.memory() <= task.memoryShare()) return Step::kNeedInput;
      emitting_ = true;
    }
    return emit(out) ? Step::kHaveMore : Step::kNeedInput;
  }

  Step finish(Chunk& out, TaskContext&) override { return emit(out) ? Step::kHaveMore : Step::kFinished; }

 private:
  void add(Chunk in, TaskContext& task) {
    auto* records = in.as<std::pair<K, V>>();
    std::size_t i = 0;
    try {
      for (; i < in.size; ++i) table_.add(records[i].first, records[i].second);
    } catch (...) {
      task.failedAt(i);
      throw;
    }
  }
  bool emit(Chunk& out) {
    if (table_.fill(out)) return true;
    table_.restart();
    emitting_ = false;
    return false;
  }

  CombiningTable<Key, V, C, Create, MergeV> table_;
  bool emitting_ = false;
};

// Reduce side: pair<view K, C> of all inputs, in their order -> pair<K, C>.
template <class K, class C, class MergeC>
class SLUICE_HIDDEN Merge : public PullOperator, public Ships<Merge<K, C, MergeC>, OpDesc::Form::kPullByKey, MergeC> {
 public:
  using Record = std::pair<K, C>;
  using Input = std::pair<view_t<K>, C>;
  static OpRef of(MergeC merge) { return Merge::ship(merge); }
  explicit Merge(MergeC merge) : merge_(std::move(merge)) {}

  bool next(Cursor* const* inputs, std::size_t count, Chunk& out, TaskContext& task) override {
    if (!std::exchange(read_, true)) {
      for (std::size_t input = 0; input < count; ++input) {
        Chunk in;
        while (inputs[input]->next(in)) {
          add(in);
          if (!holding_.now(task, table_.memory() + held_)) throwKeysTooLarge();
        }
      }
    }
    output_.fill(table_, out);
    return out.size != 0;
  }

 private:
  void add(Chunk in) {
    auto* records = in.as<Input>();
    for (std::size_t i = 0; i < in.size; ++i) {
      C& value = records[i].second;
      if constexpr (!std::is_trivially_destructible_v<C>) held_ += heldBytes(value);
      table_.upsert(
          records[i].first, [&] { return std::move(value); }, [&](C& sum) { sum = mergeInto<C>(merge_, sum, value); });
    }
  }

  MergeC merge_;
  Holding holding_;
  KeyTable<K, C> table_;
  TableOutput<K, C> output_;
  std::size_t held_ = 0;
  bool read_ = false;
};

}  // namespace ops
}  // inline namespace SLUICE_ABI
}  // namespace sluice
