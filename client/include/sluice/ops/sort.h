// Sorting one partition by a key: stable, and through temporary runs where the records do not fit into the task's share of memory.
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

#include "sluice/ops/combine.h"
#include "sluice/ops/output_chunk.h"
#include "sluice/ops/place.h"
#include "sluice/ops/spilled_rows.h"
#include "sluice/ops/stable_sort.h"
#include "sluice/shipped.h"

namespace sluice {
inline namespace SLUICE_ABI {
namespace ops {

template <class T, class KeyF, bool ascending>
class SLUICE_HIDDEN Sort : public PullOperator, public Ships<Sort<T, KeyF, ascending>, OpDesc::Form::kPull, KeyF> {
  static_assert(std::is_invocable_v<KeyF&, const T&>, "sluice: sortBy needs a function that takes const T& and returns the key");
  using KeyResult = std::invoke_result_t<KeyF&, const T&>;
  using Key = std::remove_cvref_t<KeyResult>;
  static constexpr bool kRefers = std::is_lvalue_reference_v<KeyResult>;
  using HeldKey = std::conditional_t<kRefers, const Key*, Key>;  // keys that are computed are computed once
  struct Entry {
    HeldKey key{};
    std::uint32_t index = 0;
  };
  // Rows that hold views cannot leave the memory that they point into.
  static constexpr bool kSpills = kEncodable<T> && !has_view<T>::value;

 public:
  using Record = T;
  static OpRef of(KeyF key) { return Sort::ship(key); }
  explicit Sort(KeyF key) : key_(std::move(key)) {}

  bool next(Cursor* const* inputs, std::size_t count, Chunk& out, TaskContext& task) override {
    if (!std::exchange(read_, true)) {
      for (std::size_t i = 0; i < count; ++i) readAll(*inputs[i], task);
      sortRecords();
      if (!spills_.empty()) openRuns();
    }
    out_.clear();
    if (runs_.empty()) {
      for (; at_ < order_.size() && !out_.full(); ++at_) out_.emplace(std::move(records_[order_[at_].index]));
    } else {
      while (!heap_.empty() && !out_.full()) takeSmallest();
    }
    out = out_.chunk();
    return out.size != 0;
  }

 private:
  struct Run {
    std::optional<RunReader<T>> spilled;  // none: the last run, in records_
    std::optional<T> head;
    HeldKey key{};
  };

  HeldKey keyOf(const T& record) {
    if constexpr (kRefers) return &key_(record);
    else return key_(record);
  }
  static const Key& deref(const HeldKey& key) {
    if constexpr (kRefers) return *key;
    else return key;
  }
  static bool before(const HeldKey& a, const HeldKey& b) { return ascending ? keyLess(deref(a), deref(b)) : keyLess(deref(b), deref(a)); }

  void readAll(Cursor& cursor, TaskContext& task) {
    Chunk in;
    while (cursor.next(in)) {
      for (std::size_t i = 0; i < in.size; ++i) {
        held_ += sizeof(T) + 2 * sizeof(Entry) + heldBytes(in.as<T>()[i]);
        records_.push_back(std::move(in.as<T>()[i]));
      }
      if constexpr (kSpills) {
        if (held_ > task.memoryShare()) spill(task);
      } else if (!holding_.now(task, held_)) {
        throwPartitionTooLarge();
      }
      if (records_.size() > UINT32_MAX - (1u << 20)) throwError(ErrorKind::kInvalidArgument, "4 billion records to sort in one partition; use more partitions");
    }
  }

  void sortRecords() {
    order_.clear();
    order_.reserve(records_.size());
    for (std::size_t i = 0; i < records_.size(); ++i) order_.push_back({keyOf(records_[i]), std::uint32_t(i)});
    stableSort(order_, [](const Entry& a, const Entry& b) { return before(a.key, b.key); });
  }

  void spill(TaskContext& task) {
    if constexpr (kSpills) {
      sortRecords();
      Spill* spill = task.newSpill();
      RunWriter<T> writer(*spill);
      for (const Entry& entry : order_) writer.add(records_[entry.index]);
      writer.flush();
      spills_.push_back(spill);
      order_.clear();
      records_.clear();
      held_ = 0;
    }
  }

  void openRuns() {
    if constexpr (kSpills) {
      runs_.reserve(spills_.size() + 1);
      for (Spill* spill : spills_) runs_.emplace_back().spilled.emplace(*spill);
      runs_.emplace_back();
      for (std::uint32_t run = 0; run < runs_.size(); ++run)
        if (advance(run)) push(run);
    }
  }

  // Reads the run's next record.
  bool advance(std::uint32_t index) {
    Run& run = runs_[index];
    if (run.spilled) {
      if constexpr (kSpills) run.head = run.spilled->next();
    } else if (at_ < order_.size()) {
      run.head.emplace(std::move(records_[order_[at_++].index]));
    } else {
      run.head.reset();
    }
    if (!run.head) return false;
    run.key = keyOf(*run.head);
    return true;
  }

  // Earlier runs first among equals: that makes the whole stable.
  bool runBefore(std::uint32_t a, std::uint32_t b) const {
    if (before(runs_[a].key, runs_[b].key)) return true;
    return a < b && !before(runs_[b].key, runs_[a].key);
  }
  void push(std::uint32_t run) {
    heap_.push_back(run);
    for (std::size_t at = heap_.size() - 1; at > 0 && runBefore(heap_[at], heap_[(at - 1) / 2]); at = (at - 1) / 2)
      std::swap(heap_[at], heap_[(at - 1) / 2]);
  }
  void takeSmallest() {
    std::uint32_t run = heap_[0];
    out_.emplace(std::move(*runs_[run].head));
    if (!advance(run)) {
      heap_[0] = heap_.back();
      heap_.pop_back();
    }
    for (std::size_t at = 0;;) {
      std::size_t least = at;
      for (std::size_t child = 2 * at + 1; child <= 2 * at + 2 && child < heap_.size(); ++child)
        if (runBefore(heap_[child], heap_[least])) least = child;
      if (least == at) break;
      std::swap(heap_[at], heap_[least]);
      at = least;
    }
  }

  KeyF key_;
  Holding holding_;
  std::vector<T> records_;
  std::vector<Entry> order_;
  std::size_t held_ = 0, at_ = 0;
  std::vector<Spill*> spills_;
  std::vector<Run> runs_;
  std::vector<std::uint32_t> heap_;  // of runs that have a head
  OutputChunk<T> out_;
  bool read_ = false;
};

// Some keys of the partition, evenly spaced, each with the number of records it stands for: pair<Key, int64_t>. Between n and 2n of them
// where there are as many. What range bounds are worked out from.
template <class T, class KeyF>
class SLUICE_HIDDEN SampleKeys : public StepOperator, public Ships<SampleKeys<T, KeyF>, OpDesc::Form::kStep, KeyF, Value<std::uint64_t>> {
 public:
  using Record = std::pair<key_t<KeyF, T>, std::int64_t>;
  static OpRef of(KeyF key, std::uint64_t n) { return SampleKeys::ship(key, n); }
  SampleKeys(KeyF key, std::uint64_t n) : key_(std::move(key)), n_(n ? n : 1) {}

  Step process(Chunk in, Chunk& out, TaskContext& task) override {
    out = {};
    std::size_t i = 0;
    try {
      for (; i < in.size; ++i) {
        if (seen_++ % stride_ != 0) continue;
        keys_.emplace_back(toRecord<key_t<KeyF, T>>(key_(std::as_const(in.as<T>()[i]))), stride_);
        if (keys_.size() == 2 * n_) thin();
      }
    } catch (...) {
      task.failedAt(i);
      throw;
    }
    return Step::kNeedInput;
  }
  Step finish(Chunk& out, TaskContext&) override {
    for (Record& record : keys_) record.second = stride_;
    out = {keys_.data(), keys_.size()};
    return Step::kFinished;
  }

 private:
  void thin() {
    for (std::size_t i = 1; i < n_; ++i) keys_[i] = std::move(keys_[2 * i]);
    keys_.resize(n_);
    stride_ *= 2;
  }

  KeyF key_;
  std::uint64_t n_;
  std::vector<Record> keys_;
  std::int64_t seen_ = 0, stride_ = 1;
};

}  // namespace ops
}  // inline namespace SLUICE_ABI
}  // namespace sluice
