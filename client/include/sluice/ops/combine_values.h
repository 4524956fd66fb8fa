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
  CombineValues(Create create, MergeV merge) : table_(std::move(create), std::move(merge)) {}

  bool next(Cursor* const* inputs, std::size_t count, Chunk& out, TaskContext& task) override {
    if (!std::exchange(read_, true)) {
      for (std::size_t input = 0; input < count; ++input) {
        Chunk in;
        while (inputs[input]->next(in)) {
          auto* records = in.as<Input>();
          for (std::size_t i = 0; i < in.size; ++i) table_.add(records[i].first, records[i].second);
          if (!holding_.now(task, table_.memory())) throwKeysTooLarge();
        }
      }
    }
    table_.fill(out);
    return out.size != 0;
  }

 private:
  Holding holding_;
  CombiningTable<K, V, C, Create, MergeV> table_;
  bool read_ = false;
};

}  // namespace ops
}  // inline namespace SLUICE_ABI
}  // namespace sluice
