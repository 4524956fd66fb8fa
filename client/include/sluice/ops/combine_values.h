// combineByKey without a map side: values come as they are and are combined where they arrive.
#pragma once
#include <utility>

#include "sluice/ops/combine.h"

namespace sluice {
inline namespace SLUICE_ABI {
namespace ops {

// pair<view K, V> of all inputs, in their order -> pair<K, C>
template <class K, class V, class C, class Create, class MergeV>
class SLUICE_HIDDEN CombineValues : public PullOperator, public Ships<CombineValues<K, V, C, Create, MergeV>, OpDesc::Form::kPullByKey, Create, MergeV> {
 public:
  using Record = std::pair<K, C>;
  using Input = std::pair<view_t<K>, V>;
  static OpRef of(Create create, MergeV merge) { return CombineValues::ship(create, merge); }
  CombineValues(Create create, MergeV merge) : create_(std::move(create)), merge_(std::move(merge)) {}

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
      V& value = records[i].second;
      if constexpr (!std::is_trivially_destructible_v<C> && !KnowsItsMemory<C>) held_ += sizeof(V) + heldBytes(value);
      table_.upsert(records[i].first, [&] { return created(value); }, [&](C& sum) { merge(sum, value); });
    }
  }
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
  Holding holding_;
  KeyTable<K, C> table_;
  TableOutput<K, C> output_;
  std::size_t held_ = 0;
  bool read_ = false;
};

}  // namespace ops
}  // inline namespace SLUICE_ABI
}  // namespace sluice
