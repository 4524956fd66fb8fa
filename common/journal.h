// The log of facts behind a machine: dense sequence numbers, appended at once, durable a little later.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "sluice/abi.h"

namespace sluice {

// One thread appends (the shell's). Sequences start at 1 and have no holes.
class SLUICE_INTERNAL Journal {
 public:
  virtual ~Journal() = default;
  // Hands each durable record to `apply`, in order, and the newest snapshot (empty: none) first, with the sequence it stands for.
  // Damage inside what was synced is an error that says so in one line; a torn tail is dropped and told through `warn`.
  virtual absl::Status replay(const std::function<void(std::uint64_t sequence, std::string_view snapshot)>& snapshot,
                              const std::function<void(std::uint64_t sequence, std::string_view record)>& apply,
                              const std::function<void(const std::string&)>& warn) = 0;
  // The record's sequence. Not durable yet.
  virtual std::uint64_t append(std::string record) = 0;
  // Makes everything appended so far durable, on a thread of the journal's own (group commit), then calls onSynced(sequence) there.
  // A failed sync calls onFailed with one line: the caller must stop.
  virtual void sync() = 0;
  virtual void onSynced(std::function<void(std::uint64_t)> synced, std::function<void(std::string)> failed) = 0;
  virtual std::uint64_t last() const = 0;
  // Replaces everything up to `sequence` by this snapshot.
  virtual void snapshot(std::uint64_t sequence, std::string state) = 0;
};

// Nothing is kept: what local[N] uses, and the base of the simulated disk. onSynced is called inside sync().
SLUICE_INTERNAL std::unique_ptr<Journal> memoryJournal();

}  // namespace sluice
