// Encoding records into objects: one list of pieces (kept values, results), or one for each reducer (segments).
#pragma once
#include <cstdint>
#include <memory>
#include <vector>

#include "common/plan_view.h"
#include "sluice/operator.h"
#include "worker/executor/store.h"

namespace sluice::executor {

class SLUICE_INTERNAL RowsWriter {
 public:
  RowsWriter(const TypeDesc& type, ObjectKind kind, bool droppable, Store& store)
      : type_(type), kind_(kind), droppable_(droppable), store_(store) {}
  void write(Chunk in);
  RowsPtr finish();

 private:
  void cut();
  const TypeDesc& type_;
  const ObjectKind kind_;
  const bool droppable_;
  Store& store_;
  Buffer open_;
  std::uint64_t openRows_ = 0;
  std::shared_ptr<Rows> rows_ = std::make_shared<Rows>();
};

// How the rows of an exchange find their reducer.
struct Routing {
  proto::Exchange exchange = proto::EXCHANGE_HASH;
  std::uint32_t reducers = 1;  // of a broadcast: 1, which all partitions read
  bool defaulted = false;      // partitions are ranges of key groups
  KeyPlacer* placer = nullptr;  // names the reducer in place of the hash
};

// Splits a map partition's records by reducer. Above its share of memory it hands a run to the store and goes on; from the second
// run on rows are also split by buckets of the key's hash, so that a reducer whose input is too large can take it in passes.
class SLUICE_INTERNAL SegmentWriter {
 public:
  SegmentWriter(const TypeDesc& type, Routing routing, std::uint64_t shareBytes, Store& store);
  ~SegmentWriter();
  // Throws Error(kInvalidArgument) if a direct record names a reducer that there is not.
  void write(Chunk in);
  std::shared_ptr<const std::vector<Rows>> finish();

 private:
  void place(Chunk in);
  void flushRun();
  void splitByBuckets();  // from the next run on
  const TypeDesc& type_;
  const Routing routing_;
  const std::uint64_t share_;
  Store& store_;
  bool hashed_;
  std::uint32_t buckets_ = 1;  // per reducer, in this run
  std::vector<Buffer> open_;   // [reducer * buckets_ + bucket]
  std::vector<std::uint64_t> counts_;
  std::vector<std::uint64_t> hashes_;
  std::vector<std::uint32_t> to_;
  std::uint64_t sinceCheck_ = 0, charged_ = 0;
  std::shared_ptr<std::vector<Rows>> segments_;
};

}  // namespace sluice::executor
