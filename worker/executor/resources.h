// Resources of the application's functions that one executor keeps, by key.
#pragma once
#include <condition_variable>
#include <list>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "common/clock.h"
#include "sluice/operator.h"
#include "sluice/resource_host.h"

namespace sluice::executor {

// Thread-safe. The application's code (what makes and closes them) runs without a lock.
class SLUICE_INTERNAL Resources final : public ResourceHost {
 public:
  ~Resources() override { closeAll(); }

  Held& take(std::string_view key, const Type& type, const ResourcePolicy& policy, TaskContext& task) override;
  void made(Held& held, void* value) override;
  void giveBack(Held& held, bool broken) noexcept override;

  // When the next one will have been unused for as long as its policy says; none: there is none. Those that were given back since the last call
  // count from now on.
  std::optional<Moment> due(Moment now);
  // Closes those whose time has come.
  void closeIdle(Moment now);
  // Closes all that nobody uses.
  void closeAll();

 private:
  struct Pool;
  struct One : Held {
    Pool* pool = nullptr;
    const TaskContext* holder = nullptr;  // of one that is not shared, while it is used
    int users = 0;
    bool current = true;               // may be given out again
    std::optional<Moment> since;       // unused
  };
  struct Pool {
    Type type{};
    Duration idle;
    std::list<One> all;
    One* shared = nullptr;
    std::vector<One*> free;  // not shared; the one that was used last is at the end, and given out first
  };
  struct Closing {
    void* value;
    void (*close)(void*);
  };
  One& add(Pool& pool, const TaskContext& task, bool shared);
  // The resource goes; what is to be closed without the lock.
  void remove(One& one, std::vector<Closing>& closing);
  template <class Test> std::vector<Closing> removeUnused(Test test);
  static void close(const std::vector<Closing>& closing);

  std::mutex mutex_;
  std::condition_variable returned_;
  // Guarded by mutex_.
  std::map<std::string, Pool, std::less<>> pools_;
};

}  // namespace sluice::executor
