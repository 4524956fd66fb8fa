#include "master/restoring.h"

#include <algorithm>
#include <map>
#include <set>

#include "common/plan_check.h"
#include "common/plan_view.h"
#include "master/grid.h"
#include "master/panes.h"

namespace sluice::master {
namespace {

// In how many partitions the node lies; 0: that is not named. `standard`: where the plan names none.
std::uint32_t partitionsOf(const proto::Plan& plan, const proto::Node& node, std::uint32_t standard) {
  const proto::Node* at = &node;
  for (int steps = 0; steps < plan.nodes_size(); ++steps) {
    if (at->partitions() != 0) return at->partitions();
    const proto::Edge* read = nullptr;
    for (const auto& edge : at->edges()) {
      if (!read && edge.parent() != at->id()) read = &edge;
    }
    if (!read) return 0;
    if (read->exchange() != proto::EXCHANGE_NONE) return read->exchange() == proto::EXCHANGE_HASH ? standard : 0;
    auto parent = std::find_if(plan.nodes().begin(), plan.nodes().end(), [&](const auto& n) { return n.id() == read->parent(); });
    if (parent == plan.nodes().end()) return 0;
    at = &*parent;
  }
  return 0;
}

class TakingUp {
 public:
  TakingUp(const proto::Manifest& manifest, const proto::Plan& plan) : manifest_(manifest), plan_(plan) {
    for (const auto& node : plan.nodes()) {
      byUid_[node.uid()] = &node;
      if (node.keep().state()) stateByUid_[node.uid()] = &node;
    }
    for (const auto& source : manifest.sources()) sources_[source.node()] = source.uid();
    for (const auto& file : manifest.files()) {
      std::uint32_t& count = partitions_[{file.node(), file.pane() ? file.when_ms() : 0}];
      count = std::max(count, file.partition() + 1);
    }
  }

  TakenUp run(std::int64_t nowMs) {
    if (manifest_.interval_ms() != plan_.interval_ms()) {
      up_.error = "the checkpoint was made with a batch interval of " + std::to_string(manifest_.interval_ms()) + " ms, not " +
                  std::to_string(plan_.interval_ms()) + " ms; use that interval, or another checkpoint directory";
      return std::move(up_);
    }
    // Batches that were missed are run only if their input can be had: where it stands in the plan, or follows from the time.
    bool again = std::any_of(plan_.nodes().begin(), plan_.nodes().end(), [](const auto& n) {
      return n.source().kind() == proto::SOURCE_BATCHES || n.source().kind() == proto::SOURCE_GENERATED;
    });
    std::int64_t last = gridDown(nowMs, manifest_.zero_ms(), plan_.interval_ms());
    up_.resumedMs = again ? manifest_.when_ms() : std::max(last, manifest_.when_ms());
    moved_ = movedBy(plan_, up_.resumedMs - manifest_.when_ms());
    up_.taken.set_when_ms(manifest_.when_ms());
    takeStates();
    if (!up_.error.empty()) return std::move(up_);
    takePanes();
    if (!up_.error.empty()) return std::move(up_);
    takeSources();
    beginNewStates();
    return std::move(up_);
  }

 private:
  void takeStates() {
    std::string missing;
    const std::set<std::uint32_t> timed = timedStates(plan_);
    std::map<std::uint32_t, const proto::Node*> ours;  // by the manifest's node
    for (auto file : manifest_.files()) {
      if (file.pane()) continue;
      auto [known, added] = ours.emplace(file.node(), nullptr);
      if (added) {
        auto named = stateByUid_.find(file.uid());
        if (named != stateByUid_.end()) known->second = named->second;
        else missing += (missing.empty() ? "" : ", ") + file.uid();
        if (known->second && !isSame(file, *known->second)) return;
      }
      if (!known->second) continue;
      const proto::Node& node = *known->second;
      std::int64_t at = timed.contains(node.id()) ? manifest_.when_ms() + moved_ : up_.resumedMs;
      file.set_node(node.id()), file.set_when_ms(gridDown(at, manifest_.zero_ms(), node.slide_ms()));
      *up_.taken.add_files() = std::move(file);
    }
    if (missing.empty()) return;
    up_.error = "the checkpoint holds state that this application does not have: " + missing +
                "; give the operation the same .uid(...), or use another checkpoint directory";
  }

  bool isSame(const proto::CheckpointFile& file, const proto::Node& node) {
    if (!file.type_name().empty() && file.type_name() != node.state_type_name()) {
      up_.error = "the checkpoint's state " + file.uid() + " is of " + file.type_name() + ", and the application's of " + node.state_type_name() +
                  "; give the new state another .uid(...), or use another checkpoint directory";
      return false;
    }
    std::uint32_t before = partitions_[{file.node(), 0}], now = partitionsOf(plan_, node, manifest_.default_partitions());
    if (now == 0 || now == before) return true;
    up_.error = "the checkpoint's state " + file.uid() + " lies in " + std::to_string(before) + " partitions, and the application's in " + std::to_string(now) +
                "; name the number that there was, or use another checkpoint directory";
    return false;
  }

  // A window that the application no longer has, or that is of something else now, begins anew.
  void takePanes() {
    std::map<std::uint32_t, std::string> wrong;  // by the manifest's node; "": it is taken up
    std::set<std::uint32_t> ours;
    for (auto file : manifest_.files()) {
      if (!file.pane()) continue;
      auto named = byUid_.find(file.uid());
      auto [known, added] = wrong.emplace(file.node(), "");
      if (added) {
        known->second = named == byUid_.end() || !named->second->keep().keep() ? "the application has no such window" : whyOther(file, *named->second);
        if (known->second.empty() && !ours.insert(named->second->id()).second) known->second = "two of them have this name";
        if (!known->second.empty()) up_.warnings.push_back("what the checkpoint holds of the windows over " + file.uid() + " is left out: " + known->second);
      }
      if (!known->second.empty()) continue;
      file.set_node(named->second->id()), file.set_when_ms(file.when_ms() + moved_);
      panes_.emplace(file.node(), file.when_ms());
      *up_.taken.add_files() = std::move(file);
    }
    checkInverses(ours);
  }

  // What is in such a state would never leave it again.
  void checkInverses(const std::set<std::uint32_t>& taken) {
    const bool old = manifest_.sources_size() == 0;  // by a master that kept no panes
    if (up_.warnings.empty() && !old) return;
    for (const auto& node : plan_.nodes()) {
      bool held = std::any_of(up_.taken.files().begin(), up_.taken.files().end(), [&](const auto& file) { return file.node() == node.id() && !file.pane(); });
      if (!node.keep().state() || !held) continue;
      for (const auto& edge : node.edges()) {
        if (edge.parent() == node.id() || greatestShift(edge) == 0 || taken.contains(edge.parent())) continue;
        std::string what = "the checkpoint has the window " + node.uid() + ", and not the batches that have still to leave it";
        if (old) up_.warnings.push_back(what + ": it was made by an older master, and the values of these batches stay in it");
        else up_.error = what + "; give the operations below it the names that they had by .uid(...), or use another checkpoint directory";
      }
    }
  }

  std::string whyOther(const proto::CheckpointFile& file, const proto::Node& node) {
    if (file.type_name() != node.type_name()) return "its records are " + file.type_name() + ", and the application's " + node.type_name();
    if (node.slide_ms() <= 0 || (file.when_ms() - manifest_.zero_ms()) % node.slide_ms() != 0) return "it had another slide";
    std::uint32_t before = partitions_[{file.node(), file.when_ms()}], now = partitionsOf(plan_, node, manifest_.default_partitions());
    if (now != 0 && now != before) return "it lies in " + std::to_string(before) + " partitions, and the application's in " + std::to_string(now);
    return "";
  }

  // Of what the manifest counts. 0: the application does not have it. An older master did not say what its sources are called.
  std::uint32_t countedOf(std::uint32_t node) const {
    auto uid = sources_.find(node);
    if (uid == sources_.end()) return sources_.empty() ? node : 0;
    auto named = byUid_.find(uid->second);
    return named == byUid_.end() ? 0 : named->second->id();
  }

  void takeSources() {
    for (auto count : manifest_.counts()) {
      std::uint32_t id = countedOf(count.node());
      auto node = std::find_if(plan_.nodes().begin(), plan_.nodes().end(), [&](const auto& n) { return n.id() == id; });
      if (node == plan_.nodes().end() || count.partitions() > kMostPartitions) continue;
      count.set_node(id), count.set_when_ms(count.when_ms() + moved_);
      // What is not here could not be made again: its batch had a plan of its own.
      if (node->told() ? !count.no_value() && !panes_.contains({id, count.when_ms()}) : node->kind() != proto::NODE_SOURCE || count.no_value()) continue;
      *up_.taken.add_counts() = std::move(count);
    }
    for (int i = 0; i < manifest_.seen_files_size(); ++i) {
      up_.taken.add_seen_files(manifest_.seen_files(i));
      up_.taken.add_seen_ms(i < manifest_.seen_ms_size() ? manifest_.seen_ms(i) : manifest_.when_ms());
    }
    for (auto source : manifest_.unallocated()) {
      std::uint32_t node = countedOf(source.node());
      if (node == 0) continue;
      source.set_node(node);
      up_.unallocated.push_back(std::move(source));
    }
  }

  // A state that the checkpoint does not have is empty, or it would be made of all batches since the stream first began. One that belongs to its
  // time is empty before the first batch of which anything is known.
  void beginNewStates() {
    std::int64_t known = up_.resumedMs;
    for (const auto& count : up_.taken.counts()) known = std::min(known, count.when_ms() - plan_.interval_ms());
    for (const auto& file : up_.taken.files()) known = std::min(known, file.when_ms() - plan_.interval_ms());
    std::set<std::uint32_t> held;
    for (const auto& file : up_.taken.files()) {
      if (!file.pane()) held.insert(file.node());
    }
    const std::set<std::uint32_t> timed = timedStates(plan_);
    for (const auto& node : plan_.nodes()) {
      if (!node.keep().state() || held.contains(node.id())) continue;
      std::int64_t at = gridDown(timed.contains(node.id()) ? known : up_.resumedMs, manifest_.zero_ms(), node.slide_ms());
      if (at <= manifest_.zero_ms()) continue;  // there is nothing before it anyway
      for (std::uint32_t p = 0, all = partitionsOf(plan_, node, manifest_.default_partitions()); p < all; ++p) {
        auto* empty = up_.taken.add_files();
        empty->set_node(node.id()), empty->set_uid(node.uid()), empty->set_partition(p), empty->set_when_ms(at);
      }
    }
  }

  const proto::Manifest& manifest_;
  const proto::Plan& plan_;
  std::int64_t moved_ = 0;
  std::map<std::string, const proto::Node*> byUid_;
  std::map<std::string, const proto::Node*> stateByUid_;
  std::set<std::pair<std::uint32_t, std::int64_t>> panes_;  // that are taken up
  std::map<std::uint32_t, std::string> sources_;  // uids, by the manifest's node
  std::map<std::pair<std::uint32_t, std::int64_t>, std::uint32_t> partitions_;  // of its nodes, panes by time
  TakenUp up_;
};

}  // namespace

TakenUp takeUp(const proto::Manifest& manifest, const proto::Plan& plan, std::int64_t nowMs) { return TakingUp(manifest, plan).run(nowMs); }

}  // namespace sluice::master
