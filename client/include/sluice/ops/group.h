// groupByKey and cogroup: all values of a key together, in the order in which they came.
#pragma once
#include <cstddef>
#include <tuple>
#include <utility>
#include <vector>

#include "sluice/key_table.h"
#include "sluice/ops/combine.h"
#include "sluice/shipped.h"

namespace sluice {
inline namespace SLUICE_ABI {
namespace ops {

// pair<view K, V> -> pair<K, vector<V>>
template <class K, class V> class SLUICE_HIDDEN Group : public PullOperator, public Ships<Group<K, V>, OpDesc::Form::kPullByKey> {
 public:
  using Record = std::pair<K, std::vector<V>>;
  using Input = std::pair<view_t<K>, V>;
  static OpRef of() { return Group::ship(); }

  bool next(Cursor* const* inputs, std::size_t count, Chunk& out, TaskContext& task) override {
    if (!std::exchange(read_, true)) {
      for (std::size_t input = 0; input < count; ++input) {
        Chunk in;
        while (inputs[input]->next(in)) {
          for (std::size_t i = 0; i < in.size; ++i) {
            Input& record = in.as<Input>()[i];
            held_ += sizeof(V) + heldBytes(record.second);
            table_[record.first].push_back(std::move(record.second));
          }
          if (!holding_.now(task, table_.memory() + held_)) tooLarge();
        }
      }
    }
    output_.fill(table_, out);
    return out.size != 0;
  }

 private:
  // One key with most of the values, or many keys?
  [[noreturn]] void tooLarge() {
    std::size_t all = 0, most = 0;
    for (std::size_t i = 0; i < table_.size(); ++i) {
      std::size_t n = table_.value(i).size();
      all += n, most = n > most ? n : most;
    }
    if (most > all / 2) throwValuesTooLarge();
    throwKeysTooLarge();
  }

  Holding holding_;
  std::size_t held_ = 0;
  KeyTable<K, std::vector<V>> table_;
  TableOutput<K, std::vector<V>> output_;
  bool read_ = false;
};

// Input i holds pair<view K, Vs_i> -> pair<K, tuple<vector<Vs>...>>
template <class K, class... Vs> class SLUICE_HIDDEN Cogroup : public PullOperator, public Ships<Cogroup<K, Vs...>, OpDesc::Form::kPullByKey> {
  using Groups = std::tuple<std::vector<Vs>...>;

 public:
  using Record = std::pair<K, Groups>;
  static OpRef of() { return Cogroup::ship(); }

  bool next(Cursor* const* inputs, std::size_t count, Chunk& out, TaskContext& task) override {
    if (!std::exchange(read_, true)) {
      if (count != sizeof...(Vs)) throwError(ErrorKind::kIllegalState, "cogroup was given another number of inputs than it has");
      readAll(inputs, task, std::index_sequence_for<Vs...>());
    }
    output_.fill(table_, out);
    return out.size != 0;
  }

 private:
  template <std::size_t... I> void readAll(Cursor* const* inputs, TaskContext& task, std::index_sequence<I...>) {
    (readOne<I, Vs>(*inputs[I], task), ...);
  }
  template <std::size_t I, class V> void readOne(Cursor& cursor, TaskContext& task) {
    Chunk in;
    while (cursor.next(in)) {
      for (std::size_t i = 0; i < in.size; ++i) {
        auto& record = in.as<std::pair<view_t<K>, V>>()[i];
        held_ += sizeof(V) + heldBytes(record.second);
        std::get<I>(table_[record.first]).push_back(std::move(record.second));
      }
      if (!holding_.now(task, table_.memory() + held_)) tooLarge();
    }
  }
  [[noreturn]] void tooLarge() {
    std::size_t all = 0, most = 0;
    for (std::size_t i = 0; i < table_.size(); ++i) {
      std::size_t n = std::apply([](const auto&... side) { return (std::size_t(0) + ... + side.size()); }, table_.value(i));
      all += n, most = n > most ? n : most;
    }
    if (most > all / 2) throwValuesTooLarge();
    throwKeysTooLarge();
  }

  Holding holding_;
  std::size_t held_ = 0;
  KeyTable<K, Groups> table_;
  TableOutput<K, Groups> output_;
  bool read_ = false;
};

}  // namespace ops
}  // inline namespace SLUICE_ABI
}  // namespace sluice
