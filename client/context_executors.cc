#include "sluice/detail/context_executors.h"

#include <algorithm>
#include <charconv>

#include "client/context_core.h"
#include "client/log.h"
#include "common/master_url.h"

namespace sluice {
inline namespace SLUICE_ABI {
namespace detail {
namespace {

// In local mode there is nothing to be asked of.
bool hasCluster(ContextCore& context, const char* method) {
  context.checkActive();
  MasterUrl url;
  if (!parseMasterUrl(context.settings().get(sluice::conf::kMaster), url).ok() || url.kind != MasterUrl::Kind::kLocal) return true;
  logLine(LogLevel::kWarn, std::string(method) + ": local mode has one executor, which stays; name a cluster with sluice.master");
  return false;
}

bool scale(ContextCore& context, const char* method, int executors, void (proto::ScaleExecutors::*set)(std::uint32_t)) {
  if (executors < 0) {
    throwError(ErrorKind::kInvalidArgument, std::string(method) + ": the number of executors is " + std::to_string(executors) + "; it must not be below 0");
  }
  if (!hasCluster(context, method)) return false;
  proto::ScaleExecutors what;
  (what.*set)(std::uint32_t(executors));
  return context.driver().scale(what).done();
}

}  // namespace

bool requestTotalExecutors(ContextCore& context, int total) { return scale(context, "requestTotalExecutors", total, &proto::ScaleExecutors::set_total); }
bool requestExecutors(ContextCore& context, int more) { return scale(context, "requestExecutors", more, &proto::ScaleExecutors::set_more); }

bool killExecutors(ContextCore& context, const std::vector<std::string>& ids) {
  if (!hasCluster(context, "killExecutors")) return false;
  proto::ScaleExecutors what;
  for (const std::string& id : ids) {
    std::uint64_t number = 0;
    auto [end, error] = std::from_chars(id.data(), id.data() + id.size(), number);
    if (error == std::errc() && end == id.data() + id.size()) what.add_end(number);
  }
  if (what.end_size() == 0) return false;
  auto answer = context.driver().scale(what);
  for (const std::string& id : ids) {
    bool ended = std::any_of(answer.ended().begin(), answer.ended().end(), [&](std::uint64_t each) { return std::to_string(each) == id; });
    if (!ended) logLine(LogLevel::kWarn, "killExecutors: this application has no executor " + id);
  }
  return answer.ended_size() > 0;
}

}  // namespace detail
}  // inline namespace SLUICE_ABI
}  // namespace sluice
