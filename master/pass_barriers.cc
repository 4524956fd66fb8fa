// What is special about barrier stages in a pass: all of their tasks are placed together, or none is.
#include <algorithm>

#include "common/barrier_stages.h"
#include "master/barriers.h"
#include "master/pass.h"

namespace sluice::master {

// One task of a barrier stage is missing: they meet only if all run.
void Pass::wantTogether(Run& run) {
  breakGang(s_, app_, &in_, run);
  run.wanted.clear();
  run.wholeAsked = run.wantsAll = true;
  run.absent = 0, run.unfinished = std::uint32_t(run.parts.size());
  if (!run.queued) run.queued = true, open_.push_back(&run);
}

// All of its tasks at once, no more on an executor than it has slots.
void Pass::placeGang(Run& run) {
  if (!mayBeginGang(run)) return holdBack(run);
  run.begun = true;
  run.wanted.clear();
  for (std::uint32_t p = 0; p < run.parts.size(); ++p) {
    run.parts[p].state = PartState::kPlaced, run.parts[p].at = kNowhere, run.parts[p].owner = in_.serial;
    run.wanted.push_back(p);
  }
  auto places = in_.placement->places(std::uint32_t(run.parts.size())).at;
  if (run.traits().wishes) places = wishedPlaces(run, std::move(places));
  std::vector<std::uint32_t> room(app_.executors.size());
  for (std::uint32_t member : in_.placement->members()) {
    if (usable(member, kNowhere)) room[member] = app_.executors[member]->slots;
  }
  auto own = std::find_if(in_.used.begin(), in_.used.end(), [&](const RunPtr& used) { return used.get() == &run; });
  beginGang(app_, in_, *own);
  for (std::uint32_t p : run.wanted) {
    TaskReads reads = run.plan->view.reads(run.shape(), run.whenMs, p, *in_.facts);
    placeTask(run, p, resolve(run, reads), 0, (*places)[p], &room);
  }
}

std::uint32_t Pass::roomFor(std::uint32_t wanted, std::uint32_t avoid, std::vector<std::uint32_t>& room) const {
  if (room[wanted] == 0) {
    auto left = [&](std::uint32_t e) { return e == avoid ? std::min(room[e], 1u) : room[e] * 2; };  // there only if nobody else has room
    for (std::uint32_t e = 0; e < room.size(); ++e) {
      if (left(e) > left(wanted)) wanted = e;
    }
  }
  --room[wanted];
  return wanted;
}

void Pass::refuseGang(const Run& run, std::uint32_t slots) {
  if (const auto* barrier = barrierOf(run.plan->view, run.shape())) {
    in_.failureSite = barrier->name() + (barrier->site().empty() ? "" : " at " + barrier->site());
  }
  in_.failure = "a barrier stage runs all its tasks at the same time: it needs " + std::to_string(run.parts.size()) + " slots, and there are " +
                std::to_string(slots) + "; give the application more, or repartition the data into fewer partitions";
  in_.failedRun = *std::find_if(in_.used.begin(), in_.used.end(), [&](const RunPtr& used) { return used.get() == &run; });
  app_.unsettled = true;
}

// Of executors that this instance may use. Those that joined since it began, or are being started, are waited for if they are needed; what even
// they are too few for is refused.
bool Pass::hasSlots(const Run& run) {
  std::uint32_t mine = 0, up = 0, all = 0;
  bool unknown = false;
  for (const auto& executor : app_.executors) {
    if (usable(executor->index, kNowhere)) mine += executor->slots;
    if (executor->phase == Executor::Phase::kUp) up += executor->slots;
    if (executor->phase != Executor::Phase::kGone) all += executor->slots;
    unknown |= executor->phase == Executor::Phase::kOrdered && executor->slots == 0;
  }
  if (run.parts.size() <= mine) return true;
  if (run.parts.size() > all && !unknown) {
    refuseGang(run, all);
  } else {
    in_.wantsSlots = true;
    app_.unsettled |= run.parts.size() <= up;
  }
  return false;
}

// There are slots for all, no other one runs, and what it keeps reading of is there: else its first tasks would stand in slots that the last ones
// wait for.
bool Pass::mayBeginGang(Run& run) {
  if (!hasSlots(run)) return false;
  for (std::uint32_t p = 0; p < run.parts.size(); ++p) {
    TaskReads reads = run.plan->view.reads(run.shape(), run.whenMs, p, *in_.facts);
    const Reads& resolved = resolve(run, reads);
    for (std::size_t i = 0; i < resolved.kept.size(); ++i) {
      std::uint32_t q = reads.kept[i].partition;
      if (q < resolved.kept[i]->parts.size() && resolved.kept[i]->parts[q].state != PartState::kDone) return false;
    }
  }
  return makeWay(s_, app_, run);
}

void Pass::holdBack(Run& run) {
  run.resetPlaces();
  run.wantsAll = false;
  run.wanted.clear();
  in_.waitsForGang = true;
}

}  // namespace sluice::master
