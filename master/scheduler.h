// Works out which tasks of a batch or job are missing, gives them places and sends them: the first time, and whenever something was
// lost. What is missing follows from lineage alone, so a fresh start and a repair are the same.
#pragma once
#include <cstdint>
#include <memory>
#include <string>

#include "master/state.h"

namespace sluice::master {

// Finds the template, or makes it of the plan.
std::shared_ptr<Template> templateOf(App& app, std::shared_ptr<const proto::Plan> plan, std::shared_ptr<const proto::Captures> captures);

// Where new work is placed: the present membership, with this many default partitions (those of a stream are frozen).
std::shared_ptr<Placement> placementOf(State& s, App& app, std::uint32_t defaultPartitions);

// The outputs of its plan, and the state it must carry on. `partitions` of the first output; empty: all.
void prepareOutputs(State& s, App& app, Instance& instance, const std::vector<std::uint32_t>& partitions);

// Sends the tasks that are missing and can have a place now. Nothing happens without executors: it is called again when one comes.
void advance(State& s, App& app, Instance& instance);

// Tells executors of exchanges at time 0 that no dataset needs any more, once no instance uses them.
void dropExchanges(State& s, App& app);

// Makes sure that the executor holds template, captures and broadcast values: sends what it lacks.
void install(State& s, App& app, Executor& executor, Template& plan, const std::shared_ptr<const proto::Captures>& captures,
             const Placement& placement);
// Likewise of a stream.
void installStream(State& s, App& app, Executor& executor, const Stream& stream);
// All that was installed in it goes, and is installed again when it is needed.
void forgetInstalled(State& s, App& app, Executor& executor);

// Takes results, kept values and accumulators of tasks. Repeated ones count once.
void takePrepared(State& s, App& app, Instance& instance, const Envelope& envelope);

// What to do after a failed task: it runs again elsewhere, or its instance has failed there.
enum class Verdict : std::uint8_t { kStale, kAgain, kFailed };
// Another executor has the value too.
void takeCopy(App& app, const proto::KeptCopied& copied);
Verdict takeFailed(State& s, App& app, Instance& instance, const proto::Failed& failed);

// Every output is prepared or abandoned, and every state version is present.
bool complete(const Instance& instance);
// Abandons what depends on the stage. False: a state does, so the stream cannot go on.
bool abandonBelow(Instance& instance, std::uint32_t stage, const std::string& why);
// What only abandoned outputs needed is not waited for any more; a barrier stage among it ends.
void dropAbandoned(State& s, App& app, Instance& instance);

// The part of a run that the instance (if any) uses has to be made again.
void lose(Instance* instance, Run& run, std::uint32_t partition);

// The instance is over: its map outputs count as present (done) or as gone.
void retire(State& s, App& app, Instance& instance, bool done);

// All that the executor held is gone. `crash`: its user code ended the process; charged to the instances that ran there.
void forgetExecutor(State& s, App& app, std::uint32_t index, const std::string& crash);

// The executor has a new session: everything live is sent to it again.
void resendTo(State& s, App& app, std::uint32_t index);

}  // namespace sluice::master
