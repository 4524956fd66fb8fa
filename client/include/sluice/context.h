// Context: an application's way to a cluster, and where its datasets begin (Spark's SparkContext). One may be active in a process.
#pragma once
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sluice/accumulator.h"
#include "sluice/broadcast.h"
#include "sluice/conf.h"
#include "sluice/context_info.h"
#include "sluice/detail/run_jobs.h"
#include "sluice/files.h"
#include "sluice/job_control.h"
#include "sluice/detail/context_checkpoints.h"
#include "sluice/detail/context_files.h"
#include "sluice/detail/context_executors.h"
#include "sluice/detail/context_listeners.h"
#include "sluice/rdd.h"
#include "sluice/status_tracker.h"

namespace sluice {
inline namespace SLUICE_ABI {
namespace detail {

SLUICE_EXPORT ContextRef openContext(const Conf& conf, CallSite site);
SLUICE_EXPORT ContextRef activeContext();
SLUICE_EXPORT void stopContext(ContextCore& context, bool failed, std::string_view why);
SLUICE_EXPORT bool isStopped(ContextCore& context);
SLUICE_EXPORT std::string applicationId(ContextCore& context);
SLUICE_EXPORT std::string settingOf(ContextCore& context, std::string_view key);
SLUICE_EXPORT std::uint64_t addBroadcast(ContextCore& context, std::string_view bytes, const char* type);
SLUICE_EXPORT void dropBroadcast(ContextCore& context, std::uint64_t id);
SLUICE_EXPORT int exceptionsInFlight() noexcept;

}  // namespace detail

// Any thread may run actions of its RDDs; the datasets are defined by one thread at a time. Stops with its end.
class Context : public JobControl<Context>, public ContextInfo<Context>, public detail::RunJobs<Context>, public detail::ContextFiles<Context>, public detail::ContextCheckpoints<Context>,
                public detail::ContextListeners<Context>, public detail::ContextExecutors<Context> {
 public:
  // Connects to the cluster that sluice.master names. Throws Error: another Context is active, a bad setting, no master to be reached.
  explicit Context(const Conf& conf = {}, CallSite at = CallSite::here()) : core_(detail::openContext(conf, at)), stops_(true) {}
  Context(std::string_view master, std::string_view appName, CallSite at = CallSite::here())
      : Context(Conf().setMaster(master).setAppName(appName), at) {}
  // Stands for a context that somebody else stops.
  explicit Context(detail::ContextRef core) : core_(std::move(core)) {}
  Context(Context&& other) noexcept : core_(std::move(other.core_)), stops_(std::exchange(other.stops_, false)) {}
  Context& operator=(Context&& other) noexcept {
    std::swap(core_, other.core_), std::swap(stops_, other.stops_);
    return *this;
  }
  // The active one, which somebody else stops, or a new one, which stops with this handle.
  static Context getOrCreate(const Conf& conf = {}, CallSite at = CallSite::here()) {
    detail::ContextRef active = detail::activeContext();
    return active ? Context(std::move(active)) : Context(conf, at);
  }
  ~Context() {
    if (stops_ && core_) detail::stopContext(*core_, detail::exceptionsInFlight() > 0, "the application threw an exception");
  }

  // The records of a collection, in `partitions` even parts (0: the default number).
  template <class C> auto parallelize(const C& records, int partitions = 0, CallSite at = CallSite::here()) const {
    using T = owned_t<std::remove_cvref_t<decltype(*std::begin(records))>>;
    return rows<T>(std::begin(records), std::size(records), partitions, "parallelize", at);
  }
  template <class T> RDD<owned_t<T>> parallelize(std::initializer_list<T> records, int partitions = 0, CallSite at = CallSite::here()) const {
    return rows<owned_t<T>>(records.begin(), records.size(), partitions, "parallelize", at);
  }
  template <class C> auto makeRDD(const C& records, int partitions = 0, CallSite at = CallSite::here()) const { return parallelize(records, partitions, at); }
  // A partition for each record, with the places where it would rather be computed: a worker's host, or executor_HOST_ID. They are hints:
  // a stage never needs more rounds of its slots because of them, and tasks that do not fit run elsewhere. With a number of partitions
  // the pairs themselves are the records, as in Spark.
  template <class T> RDD<owned_t<T>> makeRDD(const std::vector<std::pair<T, std::vector<std::string>>>& placed, CallSite at = CallSite::here()) const {
    if constexpr (!detail::stores<owned_t<T>>()) return RDD<owned_t<T>>();
    else {
      std::vector<detail::StaticPart> made(placed.size());
      for (std::size_t i = 0; i < placed.size(); ++i) {
        encodeValue(owned_t<T>(placed[i].first), made[i].rows);
        made[i].records = 1, made[i].places = placed[i].second;
      }
      return RDD<owned_t<T>>(detail::addRows(*core_, made.data(), made.size(), facts("makeRDD", at, typeDesc<owned_t<T>>())));
    }
  }
  template <class T> RDD<T> emptyRDD(CallSite at = CallSite::here()) const {
    return RDD<T>(detail::addRows(*core_, nullptr, 0, facts("emptyRDD", at, typeDesc<T>())));
  }
  // from, from + step, ... before `to`.
  RDD<std::int64_t> range(std::int64_t from, std::int64_t to, std::int64_t step = 1, int partitions = 0, CallSite at = CallSite::here()) const {
    return RDD<std::int64_t>(detail::addRange(*core_, from, to, step, parts(partitions), facts("range", at, typeDesc<std::int64_t>())));
  }
  RDD<std::int64_t> range(std::int64_t to, CallSite at = CallSite::here()) const { return range(0, to, 1, 0, at); }
  template <class T> RDD<T> union_(const std::vector<RDD<T>>& rdds, CallSite at = CallSite::here()) const {
    std::vector<detail::NodeRef> nodes;
    for (const auto& rdd : rdds) nodes.push_back(rdd.node());
    if (nodes.empty()) return emptyRDD<T>(at);
    return RDD<T>(detail::addUnion(nodes.data(), nodes.size(), facts("union", at, typeDesc<T>())));
  }

  // Sends a value to every executor that needs it, once.
  template <class T> Broadcast<owned_t<T>> broadcast(const T& value) const {
    using Own = owned_t<T>;
    auto* own = new Own(value);
    std::uint64_t id = detail::addBroadcast(*core_, encoded(*own), typeDesc<Own>()->name);
    detail::putBroadcast(id, own, &detail::dropValue<Own>);
    return Broadcast<Own>(id);
  }
  // No function will read it any more: it goes everywhere (Broadcast::destroy).
  template <class T> void destroy(const Broadcast<T>& broadcast) const { detail::dropBroadcast(*core_, broadcast.id()); }

  template <class T> Accumulator<T> accumulator(T start = {}, std::string_view name = {}) const {
    return Accumulator<T>(detail::newAccumulator(new detail::AccumulatorValueOf<T>(std::move(start)), name));
  }
  Accumulator<std::int64_t> longAccumulator(std::string_view name = {}) const { return accumulator<std::int64_t>(0, name); }
  Accumulator<double> doubleAccumulator(std::string_view name = {}) const { return accumulator<double>(0, name); }
  template <class T> Accumulator<std::vector<T>> collectionAccumulator(std::string_view name = {}) const { return accumulator<std::vector<T>>({}, name); }

  std::uint32_t defaultParallelism() const { return detail::defaultParallelism(*core_); }
  std::string applicationId() const { return detail::applicationId(*core_); }
  // The setting in force, or "" if it has no value.
  std::string setting(std::string_view key) const { return detail::settingOf(*core_, key); }
  // How jobs and stages get on.
  StatusTracker statusTracker() const { return StatusTracker(core_); }
  void stop() { detail::stopContext(*core_, false, ""); }
  bool isStopped() const { return detail::isStopped(*core_); }
  const detail::ContextRef& core() const { return core_; }

 private:
  static detail::NodeFacts facts(const char* name, CallSite at, const TypeDesc* type) { return {name, at, type}; }
  std::size_t parts(int partitions) const {
    if (partitions < 0) throwError(ErrorKind::kInvalidArgument, "the number of partitions is " + std::to_string(partitions) + "; it must be above 0");
    return partitions == 0 ? defaultParallelism() : std::size_t(partitions);
  }
  template <class T, class It> RDD<T> rows(It at, std::size_t count, int partitions, const char* name, CallSite site) const {
    if constexpr (!detail::stores<T>()) return RDD<T>();
    else {
      std::vector<detail::StaticPart> made(parts(partitions));
      for (std::size_t p = 0; p < made.size(); ++p) {
        made[p].records = count * (p + 1) / made.size() - count * p / made.size();
        for (std::uint64_t i = 0; i < made[p].records; ++i, ++at) encodeValue(T(*at), made[p].rows);
      }
      return RDD<T>(detail::addRows(*core_, made.data(), made.size(), facts(name, site, typeDesc<T>())));
    }
  }

  detail::ContextRef core_;
  bool stops_ = false;
};

template <class T> Context RDD<T>::context() const { return Context(detail::contextOf(this->node())); }

}  // inline namespace SLUICE_ABI
}  // namespace sluice
