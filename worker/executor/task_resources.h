// Which addresses of the executor's resources each task has while it runs.
#pragma once
#include <string>
#include <vector>

#include "common/mutex.h"
#include "common/resource_settings.h"

namespace sluice::executor {

// Any thread. There are never more tasks at once than addresses last for (slotsWith), but for a moment as one ends.
class SLUICE_INTERNAL TaskResources {
 public:
  TaskResources(const ResourceMap& here, const ResourceAmounts& perTask);
  // What one task gets; waits for it. Nothing, at once, where tasks need nothing.
  ResourceMap take();
  void give(const ResourceMap& taken);

 private:
  struct Pool {
    std::string name;
    ResourceShare share;
    std::vector<std::string> addresses;
    std::vector<std::uint32_t> free;  // tasks that may still have this address
  };
  bool take(const Pool& pool, ResourceMap& taken) const;
  void count(const ResourceMap& taken, int tasks) REQUIRES(mutex_);

  bool none_ = true;
  Mutex mutex_;
  CondVar given_;
  std::vector<Pool> pools_ GUARDED_BY(mutex_);
};

// What a task has, for as long as this lives.
struct ResourceLease {
  explicit ResourceLease(TaskResources& resources) : of(resources), taken(of.take()) {}
  ~ResourceLease() { of.give(taken); }
  ResourceLease(const ResourceLease&) = delete;
  TaskResources& of;
  const ResourceMap taken;
};

}  // namespace sluice::executor
