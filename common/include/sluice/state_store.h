// What mapWithState sees of its state: encoded entries by key, of one partition.
#pragma once
#include <cstdint>
#include <string_view>

#include "sluice/abi.h"

namespace sluice {
inline namespace SLUICE_ABI {

// An entry as it lies in the state: canonical bytes of the key, the row of the value, and the time that it was written with.
struct StateEntry {
  std::string_view key, value;
  std::int64_t timeMs = 0;
};

// A partition's state as of the batch before. What is put or removed belongs to the version of this batch, and is not seen by find and
// nextIdle. One thread uses it. Views are valid until the next call.
class SLUICE_EXPORT StateStore {
 public:
  virtual ~StateStore();
  virtual bool empty() const = 0;
  virtual bool find(std::string_view key, StateEntry& found) = 0;
  // Each key at most once, and in the order in which they should be kept: that is the order of later iterations.
  virtual void put(std::string_view key, std::string_view value, std::int64_t timeMs) = 0;
  virtual void remove(std::string_view key) = 0;
  // The next entry that was last written before `timeMs`, from the longest idle on; false: no more.
  virtual bool nextIdle(std::int64_t timeMs, StateEntry& found) = 0;
  // For states whose entries are written with the time at which they are due: the next entry due at or before `timeMs`, in order of that time
  // and of the key's bytes; false: no more. Each of them must then be written again or removed.
  virtual bool nextDue(std::int64_t timeMs, StateEntry& found) = 0;
};

}  // inline namespace SLUICE_ABI
}  // namespace sluice
