#include "sluice/context.h"

#include "client/conf_reader.h"
#include "client/context_core.h"

namespace sluice {
inline namespace SLUICE_ABI {
namespace detail {

ContextRef openContext(const Conf& conf, CallSite site) { return ContextCore::open(ConfReader::settings(conf), site); }
ContextRef activeContext() {
  std::lock_guard lock(ContextCore::activeMutex());
  ContextCore* active = ContextCore::active();
  return active && tryRetain(active->references) ? ContextRef::adopt(active) : ContextRef();
}

void stopContext(ContextCore& context, bool failed, std::string_view why) { context.stop(failed, std::string(why)); }
bool isStopped(ContextCore& context) { return context.isStopped(); }
std::string applicationId(ContextCore& context) { return context.driver().appId(); }
std::string settingOf(ContextCore& context, std::string_view key) { return context.settings().text(key).value_or(""); }

std::uint64_t addBroadcast(ContextCore& context, std::string_view bytes, const char* type) { return context.addBroadcast(bytes, type); }
void dropBroadcast(ContextCore& context, std::uint64_t id) { context.dropBroadcast(id); }
int exceptionsInFlight() noexcept { return std::uncaught_exceptions(); }

}  // namespace detail
}  // inline namespace SLUICE_ABI
}  // namespace sluice
