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

void listenTo(ContextCore& context, std::shared_ptr<SluiceListener> listener) { context.addListener(std::move(listener)); }
void stopListening(ContextCore& context, const std::shared_ptr<SluiceListener>& listener) { context.removeListener(listener.get()); }
void stopContext(ContextCore& context, bool failed, std::string_view why) { context.stop(failed, failed ? std::string(why) : ""); }
bool isStopped(ContextCore& context) { return context.isStopped(); }
std::string applicationId(ContextCore& context) { return context.driver().appId(); }
std::string settingOf(ContextCore& context, std::string_view key) { return context.settings().text(key).value_or(""); }

std::uint64_t addBroadcast(ContextCore& context, std::string_view bytes, const char* type) { return context.addBroadcast(bytes, type); }
void dropBroadcast(ContextCore& context, std::uint64_t id) {
  context.dropBroadcast(id);
  forgetBroadcast(id);
}

namespace {
// Of a handle, which knows no context: the one that is active.
ContextRef contextFor(const char* method) {
  if (currentTask()) throwError(ErrorKind::kIllegalState, std::string(method) + " of a broadcast value is for the driver; tasks only read it");
  ContextRef context = activeContext();
  if (!context) throwError(ErrorKind::kIllegalState, std::string(method) + " of a broadcast value: there is no active Context");
  return context;
}
}  // namespace

void unpersistBroadcast(std::uint64_t id, bool blocking) {
  ContextRef context = contextFor("unpersist");
  findBroadcast(id);  // refuses a destroyed one
  context->driver().unpersistBroadcast(id, blocking);
}
void destroyBroadcast(std::uint64_t id) { dropBroadcast(*contextFor("destroy"), id); }
int exceptionsInFlight() noexcept { return std::uncaught_exceptions(); }

}  // namespace detail
}  // inline namespace SLUICE_ABI
}  // namespace sluice
