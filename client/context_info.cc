#include "sluice/context_info.h"

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
const char* versionOfEngine() { return SLUICE_VERSION; }

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
