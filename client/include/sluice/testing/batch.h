// What a stream gives at one moment, as a test writes it and as a mismatch is shown.
#pragma once
#include <algorithm>
#include <cstddef>
#include <initializer_list>
#include <iterator>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "sluice/error.h"
#include "sluice/typed.h"

namespace sluice {
namespace testing {

struct NoRdd {};
inline constexpr NoRdd noRdd{};  // the stream gives nothing at t, as a window between two slides (not the same as {}, an empty RDD)

// One batch of a stream of T, with owned records (text as std::string, also where T has views):
//
//   Batch<int> two = {1, 2}, empty = {}, none = noRdd, laidOut = partitions<int>({{1}, {}, {2, 3}});
//
// Records need an encoding (SLUICE_FIELDS for structs); they are compared and shown by it, so they need neither == nor <<.
template <class T> struct Batch {
  using Record = owned_t<T>;
  std::optional<std::vector<std::vector<Record>>> parts;  // by partition; nullopt: no RDD
  bool byPartition = false;                               // the partitions are part of what is said
  Batch(std::initializer_list<Record> records) : Batch(std::vector<Record>(records)) {}
  Batch(std::vector<Record> records) : parts(std::in_place) { parts->push_back(std::move(records)); }  // NOLINT: a list is a batch
  Batch(NoRdd) {}                                                                                        // NOLINT
  // Of all partitions, one after the other.
  std::vector<Record> records() const {
    std::vector<Record> all;
    if (parts) {
      for (const auto& part : *parts) all.insert(all.end(), part.begin(), part.end());
    }
    return all;
  }
};

// A batch that says which partition each record lies in: as input it is laid out so, as expectation the partitions are compared too.
template <class T> Batch<T> partitions(std::vector<std::vector<owned_t<T>>> parts) {
  Batch<T> batch(noRdd);
  batch.parts = std::move(parts);
  batch.byPartition = true;
  return batch;
}

template <class T> using Batches = std::vector<Batch<T>>;

namespace detail {

// One record, by its encoding and as it is printed.
struct Shown {
  std::string row, text;
};
using ShownPart = std::vector<Shown>;
// A batch without its type, for comparing and showing in code that is compiled once.
struct ShownBatch {
  bool noRdd = false, byPartition = false;
  std::vector<ShownPart> parts;
};
template <class T> ShownBatch shown(const Batch<T>& batch) {
  using Record = owned_t<T>;
  ShownBatch all{!batch.parts, batch.byPartition, {}};
  if (!batch.parts) return all;
  for (const auto& part : *batch.parts) {
    auto& out = all.parts.emplace_back();
    for (const Record& record : part) {
      Buffer row, text;
      typeDesc<Record>()->encode(&record, 1, row);
      typeDesc<Record>()->print(&record, text);
      out.push_back({std::string(row.view()), std::string(text.view())});
    }
  }
  return all;
}
template <class T> std::vector<ShownBatch> shown(const Batches<T>& batches) {
  std::vector<ShownBatch> all;
  for (const auto& batch : batches) all.push_back(shown(batch));
  return all;
}
SLUICE_EXPORT std::string show(const ShownBatch& batch);
SLUICE_EXPORT bool same(const ShownBatch& got, const ShownBatch& want, bool ordered);
// What differs, a paragraph for each batch; empty: nothing.
SLUICE_EXPORT std::string difference(const std::vector<ShownBatch>& got, const std::vector<ShownBatch>& want, bool ordered);

}  // namespace detail

// "{(a,1), (b,2)}", "{}", "no RDD"; "{1 | | 2, 3}" by partition.
template <class T> std::string show(const Batch<T>& batch) { return detail::show(detail::shown(batch)); }

// Whether both hold the same records; in any order unless `ordered`. Partitions count where partitions(…) was written.
template <class T> bool same(const Batch<T>& got, const Batch<T>& want, bool ordered = false) {
  return detail::same(detail::shown(got), detail::shown(want), ordered);
}
template <class T> bool operator==(const Batch<T>& a, const Batch<T>& b) { return same(a, b); }
// For frameworks that show values by <<.
template <class Stream, class T> requires requires(Stream& out, std::string text) { out << text; }
Stream& operator<<(Stream& out, const Batch<T>& batch) {
  out << show(batch);
  return out;
}

// Fails the test: throws Error(kIllegalState) with "file:line: what".
[[noreturn]] SLUICE_EXPORT void fail(const std::string& what, CallSite at);

// Compares batch by batch and fails with all that differ, named by `where`. Records of a batch in any order unless `ordered`.
template <class T>
void expectEqual(const Batches<T>& got, const Batches<T>& want, bool ordered = false, const std::string& where = "", CallSite at = CallSite::here()) {
  std::string wrong = detail::difference(detail::shown(got), detail::shown(want), ordered);
  if (!wrong.empty()) fail("wrong batches" + (where.empty() ? "" : " on " + where) + ":" + wrong, at);
}

// What f() throws as sluice::Error; "" if nothing. For tests of what an application says to bad input.
template <class F> std::string errorOf(F&& f) {
  try {
    f();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

}  // namespace testing
}  // namespace sluice
