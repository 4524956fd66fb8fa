// Running a job for the rows of a node, typed.
#pragma once
#include <cstdint>
#include <vector>

#include "sluice/codec.h"
#include "sluice/detail/build.h"

namespace sluice {
inline namespace SLUICE_ABI {
namespace detail {

// Appends the part's records, owned.
template <class T> void decodeInto(const JobRows::Part& part, std::vector<T>& out) {
  out.reserve(out.size() + part.records);
  RowReader in{part.rows.data(), part.rows.data() + part.rows.size()};
  for (std::uint64_t i = 0; i < part.records; ++i) out.push_back(Codec<T>::get(in));
}
template <class T> std::vector<T> decodeAll(const JobRows& rows) {
  std::vector<T> all;
  all.reserve(rows.records());
  for (std::size_t i = 0; i < rows.size(); ++i) decodeInto(rows.part(i), all);
  return all;
}

// One job for what the operator makes of each partition.
template <class Out> std::vector<Out> partial(const NodeRef& node, const OpRef& op, const Method& m) {
  return decodeAll<Out>(runJob(step<Out>(node, op, m), m.name, m.site));
}

}  // namespace detail
}  // inline namespace SLUICE_ABI
}  // namespace sluice
