// What a Context tells about itself. Methods of Context.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/conf.h"
#include "sluice/detail/graph.h"
#include "sluice/resource_information.h"

namespace sluice {
inline namespace SLUICE_ABI {

// A dataset that is persisted.
struct PersistentRDD {
  int id = 0;
  std::string name;  // "map at main.cc:12", or what setName said
  StorageLevel storageLevel;
};

// What of a persisted dataset is kept.
struct RDDStorageInfo {
  int id = 0;
  std::string name;  // as PersistentRDD's
  StorageLevel storageLevel;
  int numPartitions = 0;        // that it has
  int numCachedPartitions = 0;  // that are kept somewhere
  std::int64_t memSize = 0, diskSize = 0;  // bytes, those of copies included
  bool isCached() const { return numCachedPartitions > 0; }
};

namespace detail {
SLUICE_EXPORT Conf confOf(ContextCore& context);
SLUICE_EXPORT std::int64_t startTimeOf(ContextCore& context);
SLUICE_EXPORT const ResourceMap& resourcesOf(ContextCore& context);
SLUICE_EXPORT const char* versionOfEngine();
SLUICE_EXPORT std::vector<PersistentRDD> persistentRdds(ContextCore& context);
SLUICE_EXPORT std::vector<RDDStorageInfo> storageInfo(ContextCore& context);
SLUICE_EXPORT void addArchive(ContextCore& context, std::string_view path, CallSite site);
SLUICE_EXPORT std::vector<std::string> listArchives(ContextCore& context);
SLUICE_EXPORT void setLogLevel(std::string_view level);
SLUICE_EXPORT void addFile(ContextCore& context, std::string_view path, CallSite site);
SLUICE_EXPORT std::vector<std::string> listFiles(ContextCore& context);
}  // namespace detail

// Self has core().
template <class Self> class ContextInfo {
 public:
  // A copy of the settings; changing it changes nothing here.
  Conf getConf() const { return detail::confOf(context()); }
  std::string appName() const { return setting("sluice.app.name"); }
  std::string master() const { return setting("sluice.master"); }
  std::string deployMode() const { return setting("sluice.submit.deployMode"); }
  bool isLocal() const { return master().rfind("local", 0) == 0 && master().rfind("local-cluster", 0) != 0; }
  // Of the library.
  std::string version() const { return detail::versionOfEngine(); }
  // Milliseconds since 1970.
  std::int64_t startTime() const { return detail::startTimeOf(context()); }
  // What sluice.driver.resource.NAME.discoveryScript found for this driver: resources().at("gpu").addresses. What a task has is
  // TaskContext::resources().
  ResourceMap resources() const { return detail::resourcesOf(context()); }
  // There is no web page of applications yet.
  std::optional<std::string> uiWebUrl() const { return std::nullopt; }
  int defaultMinPartitions() const { return detail::defaultParallelism(context()) < 2 ? 1 : 2; }
  // What persist and cache were called for and unpersist was not, by id; of datasets that somebody still holds.
  std::map<int, PersistentRDD> getPersistentRDDs() const {
    std::map<int, PersistentRDD> all;
    for (auto& rdd : detail::persistentRdds(context())) all.emplace(rdd.id, std::move(rdd));
    return all;
  }

  // Those of them of which something is kept by now, by id; the executors are asked.
  std::vector<RDDStorageInfo> getRDDStorageInfo() const { return detail::storageInfo(context()); }

  // Which lines of the engine's own appear on this process's stderr: ALL, TRACE, DEBUG, INFO, WARN, ERROR, FATAL or OFF, in whatever case.
  // Starts with INFO. Throws Error(kInvalidArgument) for other words.
  void setLogLevel(std::string_view level) const { detail::setLogLevel(level); }

  // Ships a file to every executor that runs a job begun afterwards; tasks find it by Files::get(name), name being the last part of the
  // path. Throws Error(kInvalidArgument): there is no such file, it is a directory, or another file of that name was added.
  void addFile(std::string_view path, CallSite at = CallSite::here()) const { detail::addFile(context(), path, at); }
  // Ships an archive likewise, .zip, .jar, .tar, .tar.gz, .tgz, .tar.bz2, .tar.xz or .tar.zst, which each executor unpacks when a task first
  // asks for it: Files::get(name) is the path of its folder, name being the last part of the path, or what stands behind a # ("a/words.zip#words").
  // Throws Error(kInvalidArgument), with nothing used of it: it is no such archive or damaged; its entries have absolute names, or lead
  // out of its folder; it has more than sluice.archives.maxUnpackedSize (10g) unpacked; another file has its name.
  void addArchive(std::string_view path, CallSite at = CallSite::here()) const { detail::addArchive(context(), path, at); }
  // Paths, as they were added.
  std::vector<std::string> listArchives() const { return detail::listArchives(context()); }
  std::vector<std::string> listFiles() const { return detail::listFiles(context()); }

 private:
  detail::ContextCore& context() const { return *static_cast<const Self&>(*this).core(); }
  std::string setting(std::string_view key) const { return static_cast<const Self&>(*this).setting(key); }
};

}  // inline namespace SLUICE_ABI
}  // namespace sluice
