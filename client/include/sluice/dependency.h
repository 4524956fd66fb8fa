// What a dataset is computed from (Spark's Dependency), as a person reads it.
#pragma once
#include <string>

#include "sluice/abi.h"

namespace sluice {
inline namespace SLUICE_ABI {

struct Dependency {
  enum class Kind {
    kOneToOne,  // partition p of partition p
    kRange,     // of a union: a run of its partitions is the other's
    kNarrow,    // a partition of some others: coalesce, cartesian, filterByRange
    kShuffle,   // every partition of all, by an exchange
  };
  Kind kind = Kind::kOneToOne;
  int id = 0;        // RDD::id() of what it depends on
  std::string name;  // "map at wordcount.cc:12"
  // "ShuffleDependency on (3) map at wordcount.cc:12"
  std::string toString() const {
    const char* kinds[] = {"OneToOneDependency", "RangeDependency", "NarrowDependency", "ShuffleDependency"};
    return std::string(kinds[int(kind)]) + " on (" + std::to_string(id) + ") " + name;
  }
};

}  // inline namespace SLUICE_ABI
}  // namespace sluice
