#include "master/scaling.h"

#include <algorithm>
#include <limits>

#include "master/executors.h"
#include "master/workers.h"

namespace sluice::master {
namespace {

constexpr std::size_t kAnswersKept = 8;

std::uint32_t present(const App& app) {
  return std::uint32_t(std::count_if(app.executors.begin(), app.executors.end(), [](const auto& e) { return e->phase != Executor::Phase::kGone; }));
}

void answer(State& s, App& app, const proto::Scaled& scaled) {
  if (!app.driver) return;
  s.send(*app.driver, messageOf(&proto::Message::mutable_scaled, [&](proto::Scaled& to) { to = scaled; }));
}

// Executors in whose place others would come, if the number were not lowered first; it is not raised to what there is.
void endExecutors(State& s, App& app, const std::vector<Executor*>& ending) {
  std::uint32_t now = present(app), ended = std::uint32_t(ending.size()), target = app.executorTarget.value_or(now);
  app.executorTarget = target > now ? target - ended : std::min(target, now - ended);
  for (Executor* executor : ending) {
    stopExecutor(s, *executor);
    loseExecutor(s, app, *executor, "its driver ended it (killExecutors)", "");
  }
}

}  // namespace

void scaleExecutors(State& s, App& app, const proto::ScaleExecutors& scale) {
  for (const auto& scaled : app.scaled) {
    if (scaled.request() == scale.request()) return answer(s, app, scaled);
  }
  proto::Scaled scaled;
  scaled.set_request(scale.request());
  std::vector<Executor*> ending;
  for (std::uint64_t id : scale.end()) {
    Executor* executor = app.executor(id);
    if (!executor || executor->phase == Executor::Phase::kGone || std::find(ending.begin(), ending.end(), executor) != ending.end()) continue;
    ending.push_back(executor);
    scaled.add_ended(id);
  }
  if (scale.what_case() != proto::ScaleExecutors::WHAT_NOT_SET) {
    std::uint32_t most = scale.total();
    if (scale.what_case() == proto::ScaleExecutors::kMore) {
      std::uint64_t sum = std::uint64_t(std::max(app.executorTarget.value_or(0), present(app))) + scale.more();
      most = std::uint32_t(std::min<std::uint64_t>(sum, std::numeric_limits<std::uint32_t>::max()));
    }
    app.executorTarget = most;
    scaled.set_done(!s.workers.empty());  // else there is nobody to start one
    shareOut(s);
  }
  if (!ending.empty()) scaled.set_done(true), endExecutors(s, app, ending);
  if (app.executorTarget) scaled.set_total(*app.executorTarget);
  app.scaled.push_back(scaled);
  if (app.scaled.size() > kAnswersKept) app.scaled.pop_front();
  answer(s, app, scaled);
}

std::uint32_t executorsToCome(const App& app) {
  if (!app.executorTarget) return std::numeric_limits<std::uint32_t>::max();
  std::uint32_t now = present(app);
  return *app.executorTarget > now ? *app.executorTarget - now : 0;
}

}  // namespace sluice::master
