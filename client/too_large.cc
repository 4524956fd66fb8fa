// What cannot be spilled and does not fit.
#include "sluice/ops/holding.h"

namespace sluice {
inline namespace SLUICE_ABI {
namespace ops {

void throwKeysTooLarge() {
  throwError(ErrorKind::kInvalidArgument,
             "what the keys of one partition hold does not fit into the executor's memory; use more partitions, or give it more (--executor-memory)");
}

void throwValuesTooLarge() {
  throwError(ErrorKind::kInvalidArgument,
             "the values of one key do not fit into the executor's memory, and cannot be spilled; combine them with reduceByKey or aggregateByKey, "
             "add something to the key, or give the executor more memory (--executor-memory)");
}

void throwPartitionTooLarge() {
  throwError(ErrorKind::kInvalidArgument,
             "a partition that is held as a whole does not fit into the executor's memory; use more partitions, or give it more (--executor-memory)");
}

}  // namespace ops
}  // inline namespace SLUICE_ABI
}  // namespace sluice
