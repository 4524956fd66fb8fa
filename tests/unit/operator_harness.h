// Runs one operator by hand: a task, cursors over vectors, and temporary runs in memory.
#pragma once
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "sluice/operator.h"
#include "sluice/shipped.h"
#include "sluice/typed.h"

namespace sluice::testing {

class MemorySpill : public Spill {
 public:
  void write(std::string_view rows) override { bytes_.append(rows); }
  void rewind() override { at_ = 0; }
  std::size_t read(char* to, std::size_t n) override {
    n = std::min({n, bytes_.size() - at_, std::size_t(1000)});  // short reads on purpose
    std::memcpy(to, bytes_.data() + at_, n);
    at_ += n;
    return n;
  }
  std::size_t size() const { return bytes_.size(); }

 private:
  std::string bytes_;
  std::size_t at_ = 0;
};

class Task : public TaskContext {
 public:
  explicit Task(int partition = 0, std::size_t share = 64 << 20) : share_(share) { partition_ = partition; }
  NodePart nodePart() const override { return {partition_, partitions_, {}}; }
  void setPartitions(int partitions) { partitions_ = partitions; }
  bool cancelled() const override { return false; }
  void addListener(TaskListener* listener, bool) override { delete listener; }
  std::optional<std::string_view> getLocalProperty(std::string_view) const override { return std::nullopt; }
  void failedAt(std::size_t record) override { failedAt_ = int(record); }
  std::size_t memoryShare() const override { return share_; }
  bool hold(std::int64_t bytes) override { return held_ += bytes, held_ <= most_; }
  std::int64_t held() const { return held_; }
  void setMost(std::int64_t bytes) { most_ = bytes; }
  Spill* newSpill() override { return spills_.emplace_back(std::make_unique<MemorySpill>()).get(); }
  std::string_view broadcast(std::uint64_t) override { return {}; }
  std::string file(std::string_view) override { return {}; }
  void*& local(std::uint64_t, void (*)(void*)) override { return local_; }
  void accumulate(std::uint64_t, std::string_view) override {}

  int failedRecord() const { return failedAt_; }
  std::size_t spills() const { return spills_.size(); }

 private:
  std::size_t share_;
  int failedAt_ = -1, partitions_ = 1;
  std::int64_t held_ = 0, most_ = INT64_MAX;
  void* local_ = nullptr;
  std::vector<std::unique_ptr<MemorySpill>> spills_;
};

// Hands out records in chunks of at most `size`, each chunk in memory of its own, so that ASan sees who holds on to it.
template <class T> class VectorCursor : public Cursor {
 public:
  explicit VectorCursor(std::vector<T> records, std::size_t size = 100) : records_(std::move(records)), size_(size) {}
  VectorCursor(std::initializer_list<T> records, std::size_t size = 100) : VectorCursor(std::vector<T>(records), size) {}
  VectorCursor(const VectorCursor&) = delete;
  bool next(Chunk& out) override {
    std::size_t n = std::min(size_, records_.size() - at_);
    if (n == 0) return false;
    chunk_ = std::make_unique<std::vector<T>>(std::make_move_iterator(records_.begin() + at_), std::make_move_iterator(records_.begin() + at_ + n));
    at_ += n;
    out = {chunk_->data(), n};
    return true;
  }

 private:
  std::vector<T> records_;
  std::size_t size_, at_ = 0;
  std::unique_ptr<std::vector<T>> chunk_;
};

inline std::unique_ptr<Operator> made(const OpRef& ref) {
  return std::unique_ptr<Operator>(ref.desc->make(ref.captures.data(), ref.captures.size()));
}

template <class Out> void takeOver(Chunk chunk, std::vector<Out>& out) {
  for (std::size_t i = 0; i < chunk.size; ++i) out.push_back(std::move(chunk.as<Out>()[i]));
}

// All that a step operator makes of the records.
template <class Out, class In> std::vector<Out> runStep(const OpRef& ref, std::vector<In> records, Task& task, std::size_t chunk = 100) {
  auto op = made(ref);
  auto* step = static_cast<StepOperator*>(op.get());
  VectorCursor<In> cursor(std::move(records), chunk);
  std::vector<Out> all;
  Chunk in, out;
  while (cursor.next(in)) {
    Step next;
    do {
      next = step->process(in, out, task);
      takeOver(out, all);
    } while (next == Step::kHaveMore);
    if (next == Step::kFinished) break;
  }
  Step next;
  do {
    next = step->finish(out, task);
    takeOver(out, all);
  } while (next == Step::kHaveMore);
  return all;
}
template <class Out, class In> std::vector<Out> runStep(const OpRef& ref, std::vector<In> records) {
  Task task;
  return runStep<Out>(ref, std::move(records), task);
}

template <class Out> std::vector<Out> runPull(const OpRef& ref, std::vector<Cursor*> inputs, Task& task) {
  auto op = made(ref);
  auto* pull = static_cast<PullOperator*>(op.get());
  std::vector<Out> all;
  Chunk out;
  while (pull->next(inputs.data(), inputs.size(), out, task)) takeOver(out, all);
  return all;
}
template <class Out> std::vector<Out> runPull(const OpRef& ref, std::vector<Cursor*> inputs) {
  Task task;
  return runPull<Out>(ref, std::move(inputs), task);
}

}  // namespace sluice::testing
