// What an executor keeps between tasks for the application's functions. Applications use sluice/executor_resource.h.
#pragma once
#include <cstdint>
#include <string_view>
#include <typeinfo>

#include "sluice/abi.h"
#include "sluice/time.h"

namespace sluice {
inline namespace SLUICE_ABI {

class TaskContext;

// How many resources of a key an executor keeps, and for how long. The word of whoever asks counts.
struct ResourcePolicy {
  int most = 0;                 // in an executor, of those that one task uses at a time; who finds all of them in use waits. 0: as many as are used at once
  bool shared = false;          // one, which all tasks of the executor use at the same time; then `most` has no meaning
  Duration idle = Seconds(60);  // closed once it was unused for this long; zero: kept until the executor ends
};

// Thread-safe. It lives as long as the executor.
class SLUICE_EXPORT ResourceHost {
 public:
  struct Type {
    const std::type_info* id;
    const char* name;        // for messages, or null: the type_info's
    void (*close)(void*);    // deletes
  };
  struct Held {
    void* value = nullptr;  // null: whoever took it makes it
  };
  virtual ~ResourceHost();
  // One that is free, or room for a new one: then the caller has to call made(), or giveBack(broken). Throws Error: another type has that key
  // (kIllegalState), the task holds all there may be (kIllegalState), the task was cancelled while it waited (kCancelled).
  virtual Held& take(std::string_view key, const Type& type, const ResourcePolicy& policy, TaskContext& task) = 0;
  virtual void made(Held& held, void* value) = 0;
  // A broken one is closed, once nobody uses it, and not given out again.
  virtual void giveBack(Held& held, bool broken) noexcept = 0;
};

}  // inline namespace SLUICE_ABI
}  // namespace sluice
