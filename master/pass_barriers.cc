// What is special about barrier stages in a pass: all of their tasks are placed together, or none is.
#include <algorithm>

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

std::uint32_t Pass::roomFor(std::uint32_t wanted, std::vector<std::uint32_t>& room) const {
  if (room[wanted] == 0) wanted = std::uint32_t(std::max_element(room.begin(), room.end()) - room.begin());
  --room[wanted];
  return wanted;
}

// There are slots for all, no other one runs, and what it keeps reading of is there: else its first tasks would stand in slots that the last ones
// wait for.
bool Pass::mayBeginGang(Run& run) {
  std::uint32_t slots = 0;
  for (std::uint32_t member : in_.placement->members()) {
    if (usable(member, kNowhere)) slots += app_.executors[member]->slots;
  }
  if (run.parts.size() > slots) {
    const auto& nodes = run.plan->plan->nodes();
    auto barrier = std::find_if(nodes.begin(), nodes.end(), [](const auto& node) { return node.barrier(); });
    if (barrier != nodes.end()) in_.failureSite = barrier->name() + (barrier->site().empty() ? "" : " at " + barrier->site());
    in_.failure = "a barrier stage runs all its tasks at the same time: it needs " + std::to_string(run.parts.size()) + " slots, and there are " +
                  std::to_string(slots) + (allUsable_ ? "" : " left of those that this job began with") +
                  "; give the application more, or repartition the data into fewer partitions";
    app_.unsettled = true;
    return false;
  }
  if (!makeWay(s_, app_, run)) return false;
  for (std::uint32_t p = 0; p < run.parts.size(); ++p) {
    TaskReads reads = run.plan->view.reads(run.shape(), run.whenMs, p, *in_.facts);
    const Reads& resolved = resolve(run, reads);
    for (std::size_t i = 0; i < resolved.kept.size(); ++i) {
      std::uint32_t q = reads.kept[i].partition;
      if (q < resolved.kept[i]->parts.size() && resolved.kept[i]->parts[q].state != PartState::kDone) return false;
    }
  }
  return true;
}

void Pass::holdBack(Run& run) {
  run.resetPlaces();
  run.wantsAll = false;
  run.wanted.clear();
  in_.waitsForGang = true;
}

}  // namespace sluice::master
