// What listeners of an application are told: its executors, jobs, stages and tasks. Nothing is kept or sent while nobody listens.
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "common/machine.h"
#include "master/template.h"
#include "proto/link.pb.h"

namespace sluice::master {

class State;
struct App;
struct Executor;
struct Instance;

// What was told of a job or batch, and what is still to be.
struct ToldInstance {
  struct Open {  // a try of a task that was launched, and of whose end nobody has heard
    std::uint32_t executor = 0;  // index
    std::int64_t launchedMs = 0;
    bool started = false;        // which was told
  };
  using TaskKey = std::pair<std::uint32_t, std::uint32_t>;  // partition, attempt
  struct Stage {
    proto::AppEvent::Stage info;
    const Template* plan = nullptr;
    std::uint32_t index = 0;
    std::map<TaskKey, Open> open;
    std::set<std::uint32_t> missing;  // partitions that have not ended well
    bool completed = false;
  };
  using StageKey = std::tuple<std::uint64_t, std::uint32_t, std::int64_t>;  // template, stage, time
  proto::InstanceId id;
  proto::AppEvent::Job job;
  std::vector<std::shared_ptr<Template>> plans;  // by k
  std::map<StageKey, Stage> stages;
  std::map<std::uint32_t, std::uint32_t> attempts;  // of stages, by id
  bool over = false;  // tells of tasks that ended are still to come
  std::string failure;  // of one that is over; empty: it ended well
  Moment until;         // and they are waited for until then
};

struct Listening {
  bool on = false, armed = false;
  bool first = false;  // the next events are
  std::map<std::pair<std::int64_t, std::uint32_t>, ToldInstance> instances;  // by time and stream
  std::vector<proto::AppEvent> events;                                     // to be sent at the end of this event of the machine
};

void listen(State& s, App& app, const proto::Listen& listen);
// The driver has gone, or nobody listens any more.
void stopListening(State& s, App& app);

void tellExecutorAdded(State& s, App& app, const Executor& executor);
// With its tasks.
void tellExecutorRemoved(State& s, App& app, const Executor& executor, const std::string& why);
void tellJobBegun(State& s, App& app, Instance& instance, const std::string& description);
// `tasks`: by executor.
void tellLaunched(State& s, App& app, Instance& instance, const std::shared_ptr<Template>& plan,
                  const std::vector<std::pair<std::uint32_t, const proto::Tasks*>>& tasks);
void takeTasksStarted(State& s, App& app, const proto::TasksStarted& started);
void tellTasksEnded(State& s, App& app, const proto::Prepared& prepared);
void tellTaskFailed(State& s, App& app, const proto::Failed& failed);
// An instance is over; `failure` empty: it ended well. Executors tell of the last tasks by themselves, if in time.
void tellJobOver(State& s, App& app, std::int64_t whenMs, std::uint32_t stream, const std::string& failure);
void eventTimer(State& s, App& app);
// The application ends: everything that is open does.
void tellAllOver(State& s, App& app, const std::string& failure);
void sendEvents(State& s, App& app);

}  // namespace sluice::master
