#include "sluice/context_info.h"

#include <set>

#include "client/conf_reader.h"
#include "client/context_core.h"
#include "client/log.h"

#ifndef SLUICE_VERSION
#error "the build names the version"
#endif

namespace sluice {
inline namespace SLUICE_ABI {
namespace detail {

Conf confOf(ContextCore& context) { return ConfReader::conf(context.settings()); }
std::int64_t startTimeOf(ContextCore& context) { return context.startMs(); }
const ResourceMap& resourcesOf(ContextCore& context) { return context.resources(); }
const char* versionOfEngine() { return SLUICE_VERSION; }

std::vector<RDDStorageInfo> storageInfo(ContextCore& context) {
  auto persisted = context.kept();
  if (persisted.empty()) return context.checkActive(), std::vector<RDDStorageInfo>();
  proto::Storage storage = context.driver().storage();
  std::vector<RDDStorageInfo> all;
  for (const PersistentRDD& rdd : persisted) {
    RDDStorageInfo info;
    info.id = rdd.id, info.name = rdd.name, info.storageLevel = rdd.storageLevel;
    std::set<std::uint32_t> cached;
    for (const auto& part : storage.parts()) {
      if (int(part.node()) != rdd.id) continue;
      cached.insert(part.partition());
      info.memSize += std::int64_t(part.memory_bytes()), info.diskSize += std::int64_t(part.disk_bytes());
    }
    for (const auto& dataset : storage.datasets()) {
      if (int(dataset.node()) == rdd.id) info.numPartitions = int(dataset.partitions());
    }
    info.numCachedPartitions = int(cached.size());
    if (info.isCached()) all.push_back(std::move(info));
  }
  return all;
}

std::vector<PersistentRDD> persistentRdds(ContextCore& context) { return context.kept(); }

void setLogLevel(std::string_view level) {
  LogLevel parsed;
  if (!parseLogLevel(level, parsed)) {
    throwError(ErrorKind::kInvalidArgument, "setLogLevel: there is no level '" + std::string(level) + "'; there are ALL, TRACE, DEBUG, INFO, WARN, ERROR, FATAL, OFF");
  }
  sluice::setLogLevel(parsed);
}

}  // namespace detail
}  // inline namespace SLUICE_ABI
}  // namespace sluice
