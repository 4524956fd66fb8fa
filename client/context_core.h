// What a Context and everything made from it share: settings, the driver, templates, broadcast values.
#pragma once
#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "client/async_action.h"
#include "client/driver.h"
#include "client/plan_builder.h"
#include "client/plan_node.h"
#include "client/rdd_checkpoints.h"
#include "client/shipped_files.h"
#include "common/conf.h"
#include "sluice/context_info.h"

namespace sluice {
inline namespace SLUICE_ABI {
namespace detail {

// Any thread may run jobs; the graph itself is built by one thread at a time. One is active in a process.
class SLUICE_INTERNAL ContextCore {
 public:
  // Opens the cluster and submits the application. Throws Error: a second active context, bad settings, no such master.
  static ContextRef open(Settings settings, CallSite site);
  ~ContextCore();

  Driver& driver() { return *driver_; }
  AsyncThreads& async() { return async_; }
  ShippedFiles& files() { return files_; }
  RddCheckpoints& checkpoints() { return checkpoints_; }
  // From now on `by` is read in place of the node.
  void replace(PlanNode& node, NodeRef by);
  std::int64_t startMs() const { return startMs_; }
  const ResourceMap& resources() const { return resources_; }
  // Datasets that are persisted.
  void noteKept(std::uint32_t node, PersistentRDD what);
  void forgetKept(std::uint32_t node);
  // Likewise, and what is kept goes: nobody has a handle of it any more.
  void dropKept(std::uint32_t node);
  // It has gone, or reads no exchange any more.
  void forgetExchange(std::uint32_t node);
  std::vector<PersistentRDD> kept() const;
  const Settings& settings() const { return settings_; }
  // Ends the application. Idempotent.
  void stop(bool failed = false, const std::string& why = {});
  bool isStopped() const { return stopped_; }
  void addListener(std::shared_ptr<SluiceListener> listener);
  void removeListener(const SluiceListener* listener);
  void checkActive() const;
  std::uint32_t nextNode() { return ++lastNode_; }
  std::uint32_t nextStream() { return ++lastStream_; }
  std::uint32_t defaultParallelism() const;
  std::uint64_t serial() const { return serial_; }  // among the contexts of this process

  // `wholeOutputs`: of all partitions.
  BuiltPlan build(const PlanRequest& request, bool wholeOutputs = true);
  // An action: its accumulators are counted, and what it computed is checkpointed where that was asked for.
  Driver::Results run(const PlanRequest& request, std::vector<std::uint32_t> partitions, CallSite site);
  // Its job alone.
  Driver::Results runJob(const PlanRequest& request, std::vector<std::uint32_t> partitions, CallSite site);

  // Equal values are one, which goes when it was dropped as often as it was added.
  std::uint64_t addBroadcast(std::string_view bytes, std::string_view type);
  void dropBroadcast(std::uint64_t id);

  std::atomic<std::uint32_t> references{0};
  // The active context of this process, not owned; guarded by activeMutex().
  static std::mutex& activeMutex();
  static ContextCore*& active();

 private:
  ContextCore(Settings settings, CallSite site);
  void addArchives();  // that the settings name
  void forgetBroadcasts();

  Settings settings_;  // constant once constructed
  const CallSite site_;
  const std::uint64_t serial_;
  std::uint32_t parallelism_ = 1;
  bool reusesShuffles_ = true;
  std::atomic<bool> stopped_{false};
  std::atomic<std::uint32_t> lastNode_{0}, lastStream_{0};
  std::int64_t startMs_ = 0;
  ResourceMap resources_;  // of the driver
  ShippedFiles files_;
  RddCheckpoints checkpoints_;
  std::unique_ptr<Driver> driver_;
  AsyncThreads async_;

  mutable std::mutex mutex_;
  // Guarded by mutex_.
  TemplateTable templates_;
  std::vector<std::uint64_t> broadcasts_;  // each once
  std::map<std::uint64_t, int> broadcastUses_;
  std::set<std::uint64_t> destroyedBroadcasts_;
  std::map<std::uint32_t, PersistentRDD> kept_;
  std::mutex listenersMutex_;  // whether the master is asked follows whether there are any
};

}  // namespace detail
}  // inline namespace SLUICE_ABI
}  // namespace sluice
