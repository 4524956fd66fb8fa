#include "sluice/broadcast.h"

#include <map>
#include <mutex>

namespace sluice {
inline namespace SLUICE_ABI {
namespace detail {
namespace {

struct Held {
  void* value;
  void (*drop)(void*);
};
// Never emptied at exit: functions of the driver may run until then.
struct Broadcasts {
  std::mutex mutex;
  std::map<std::uint64_t, Held> values;
};
Broadcasts& broadcasts() {
  static auto* all = new Broadcasts;
  return *all;
}

}  // namespace

void putBroadcast(std::uint64_t id, void* value, void (*drop)(void*)) {
  std::lock_guard lock(broadcasts().mutex);
  auto [it, isNew] = broadcasts().values.try_emplace(id, Held{value, drop});
  if (!isNew) drop(value);  // equal bytes: the value is there
}

void* findBroadcast(std::uint64_t id) {
  std::lock_guard lock(broadcasts().mutex);
  auto it = broadcasts().values.find(id);
  if (it == broadcasts().values.end()) throwError(ErrorKind::kIllegalState, "this broadcast value is not of this process");
  return it->second.value;
}

}  // namespace detail
}  // inline namespace SLUICE_ABI
}  // namespace sluice
