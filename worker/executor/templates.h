// Plans that the master installed, and the sessions that an epoch needs.
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "worker/executor/broadcasts.h"
#include "worker/executor/control.h"
#include "worker/executor/installed.h"

namespace sluice::executor {

// Of each plan the captures and the epoch that came last: the master installs others again before it launches with them, and what runs
// holds its own.
class Templates {
 public:
  Templates(Control& control, Broadcasts& broadcasts) : control_(control), broadcasts_(broadcasts) {}

  void onInstall(const EnvelopePtr& envelope);
  void onPeer(std::uint64_t executor, bool up);
  // The plans that are not wanted any more.
  void onRelease(const proto::Release& release);

  // Null: that is not what was installed last.
  std::shared_ptr<const Installed> find(std::uint64_t templateHash, std::uint64_t captures, std::uint64_t epoch) const;
  std::string whyMissing(std::uint64_t templateHash) const;
  // Any plan that has the node; null if none.
  std::shared_ptr<const PlanTemplate> withNode(std::uint32_t node) const;
  std::shared_ptr<const Installed> newest(std::uint64_t templateHash) const;

 private:
  struct Entry {
    std::shared_ptr<const PlanTemplate> plan;
    std::string refused;  // why its code cannot be used
    std::shared_ptr<const Installed> installed;
  };

  Control& control_;
  Broadcasts& broadcasts_;
  std::map<std::uint64_t, Entry> entries_;
  std::set<std::uint64_t> sessions_, asked_;
};

}  // namespace sluice::executor
