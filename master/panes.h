// Panes: the kept values that windows will still read when the batches that made them are long over. A checkpoint holds them, since a
// restored stream could not make them again: what was received is gone. Pure functions of the plan.
#pragma once
#include <cstdint>
#include <set>
#include <vector>

#include "proto/plan.pb.h"
#include "sluice/abi.h"

namespace sluice::master {

struct Pane {
  std::uint32_t node = 0;
  std::int64_t whenMs = 0;
  friend bool operator==(const Pane&, const Pane&) = default;
};

// Whether batches after `afterMs` read it, through a window. A state's reading of itself does not count.
bool isReadAfter(const proto::Plan& plan, Pane pane, std::int64_t zeroMs, std::int64_t afterMs);

// All that batches after `whenMs` read of those up to it.
SLUICE_INTERNAL std::vector<Pane> panesAt(const proto::Plan& plan, std::int64_t zeroMs, std::int64_t whenMs);

// States that windows are made of, directly or further up, and those that are made of what entered and left one: their versions belong to
// their times. (Others may be taken up at any time, as if the stream had not been down.)
SLUICE_INTERNAL std::set<std::uint32_t> timedStates(const proto::Plan& plan);

// By how much the times of a checkpoint move that is taken up `downMs` later: not at all while a window may still reach one of them. After
// that, what it holds only has to leave the windows again, and a day's downtime must not cost a day's batches. A multiple of all slides.
SLUICE_INTERNAL std::int64_t movedBy(const proto::Plan& plan, std::int64_t downMs);

}  // namespace sluice::master
