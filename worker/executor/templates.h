// Plans, captures and epochs that the master installed, and the sessions that an epoch needs.
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "worker/executor/control.h"
#include "worker/executor/installed.h"
#include "worker/executor/instances.h"
#include "worker/executor/broadcasts.h"

namespace sluice::executor {

class Templates {
 public:
  Templates(Control& control, Broadcasts& broadcasts, Instances& instances)
      : control_(control), broadcasts_(broadcasts), instances_(instances) {}

  // Installed is told when the code was found and there is a session with every other member.
  void onInstall(const EnvelopePtr& envelope);
  void onPeer(std::uint64_t executor, bool up);
  // The master may have missed that something is installed.
  void tellAgain();

  std::shared_ptr<const Installed> find(std::uint64_t templateHash, std::uint64_t captures, std::uint64_t epoch) const;
  std::string whyMissing(std::uint64_t templateHash) const;
  // Any plan that has the node; null if none.
  std::shared_ptr<const PlanTemplate> withNode(std::uint32_t node) const;
  std::shared_ptr<const Installed> newest(std::uint64_t templateHash) const;

 private:
  using Key = std::tuple<std::uint64_t, std::uint64_t, std::uint64_t>;  // template, captures, epoch
  struct Entry {
    std::shared_ptr<const Installed> installed;
    bool told = false;
  };
  void tellWhenReady(Key key, Entry& entry);
  void forgetOldCaptures(std::uint64_t templateHash);

  Control& control_;
  Broadcasts& broadcasts_;
  Instances& instances_;
  std::map<std::uint64_t, std::shared_ptr<const PlanTemplate>> plans_;
  std::map<std::uint64_t, std::string> refused_;  // by template: why its code cannot be used
  std::map<std::uint64_t, std::shared_ptr<const proto::Epoch>> epochs_;
  std::map<std::pair<std::uint64_t, std::uint64_t>, std::shared_ptr<const proto::Captures>> captures_;
  std::map<Key, Entry> entries_;
  std::set<std::uint64_t> sessions_, asked_;
};

}  // namespace sluice::executor
