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
  int uses;  // handles made from equal values
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
  auto [it, isNew] = broadcasts().values.try_emplace(id, Held{value, drop, 0});
  ++it->second.uses;
  if (!isNew) drop(value);  // equal bytes: the value is there
}

void* findBroadcast(std::uint64_t id) {
  std::lock_guard lock(broadcasts().mutex);
  auto it = broadcasts().values.find(id);
  if (it == broadcasts().values.end()) throwError(ErrorKind::kIllegalState, "this broadcast value was destroyed, its Context was stopped, or it is not of this process");
  return it->second.value;
}

void forgetBroadcast(std::uint64_t id) {
  std::lock_guard lock(broadcasts().mutex);
  auto it = broadcasts().values.find(id);
  if (it == broadcasts().values.end() || --it->second.uses > 0) return;
  it->second.drop(it->second.value);
  broadcasts().values.erase(it);
}

}  // namespace detail
}  // inline namespace SLUICE_ABI
}  // namespace sluice
