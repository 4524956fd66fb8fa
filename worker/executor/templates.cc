#include "worker/executor/templates.h"

#include "sluice/error.h"

namespace sluice::executor {

namespace {
constexpr std::size_t kCapturesKept = 64;  // versions of one template that no batch or job uses
}  // namespace

void Templates::onInstall(const EnvelopePtr& envelope) {
  const proto::Install& install = envelope->message.install();
  std::uint64_t hash = install.template_hash(), version = install.captures().version();
  if (install.has_plan() && !plans_.contains(hash)) {
    try {
      auto plan = std::shared_ptr<const proto::Plan>(envelope, &install.plan());
      plans_[hash] = std::make_shared<const PlanTemplate>(std::move(plan), control_.runtime.code());
      refused_.erase(hash);
    } catch (const Error& error) {
      refused_[hash] = error.what();
      control_.log(std::string("a plan cannot be installed: ") + error.what());
    }
  }
  if (install.has_epoch()) {
    epochs_[install.epoch().epoch()] = std::shared_ptr<const proto::Epoch>(envelope, &install.epoch());
    for (const auto& member : install.epoch().members()) {
      bool dials = member.executor() < control_.options.executor.value;
      if (dials && !sessions_.contains(member.executor()) && asked_.insert(member.executor()).second) {
        control_.effects.connect({Role::kExecutor, member.executor()}, member.address());
      }
    }
  }
  for (const auto& broadcast : install.broadcasts()) broadcasts_.learn(envelope, broadcast);
  auto& captures = captures_[{hash, version}];
  if (!captures) captures = std::shared_ptr<const proto::Captures>(envelope, &install.captures());
  Key key{hash, version, install.epoch().epoch()};
  Entry& entry = entries_[key];
  if (!entry.installed) {
    auto plan = plans_.find(hash);
    auto epoch = epochs_.find(install.epoch().epoch());
    if (plan != plans_.end() && epoch != epochs_.end()) {
      entry.installed = std::make_shared<const Installed>(Installed{plan->second, captures, epoch->second});
    }
    forgetOldCaptures(hash);
  }
  entry.told = false;
  tellWhenReady(key, entry);
}

void Templates::tellWhenReady(Key key, Entry& entry) {
  if (entry.told) return;
  // A plan whose code is not here is acknowledged too: its tasks fail and say why.
  if (entry.installed) {
    for (const auto& member : entry.installed->epoch->members()) {
      if (member.executor() != control_.options.executor.value && !sessions_.contains(member.executor())) return;
    }
  }
  entry.told = true;
  auto [envelope, installed] = compose(&proto::Message::mutable_installed);
  installed->set_app(control_.options.app.value);
  installed->set_template_hash(std::get<0>(key));
  installed->set_captures_version(std::get<1>(key));
  installed->set_epoch(std::get<2>(key));
  installed->set_executor(control_.options.executor.value);
  control_.send(kMasterPeer, std::move(envelope));
}

void Templates::onPeer(std::uint64_t executor, bool up) {
  if (!up) {
    sessions_.erase(executor);
    return;
  }
  sessions_.insert(executor);
  for (auto& [key, entry] : entries_) tellWhenReady(key, entry);
}

void Templates::tellAgain() {
  for (auto& [key, entry] : entries_) {
    entry.told = false;
    tellWhenReady(key, entry);
  }
}

// Versions of captures rise with every job of an iteration; those that nobody uses go, the oldest first.
void Templates::forgetOldCaptures(std::uint64_t hash) {
  auto first = captures_.lower_bound({hash, 0}), last = captures_.upper_bound({hash, ~0ull});
  std::size_t count = std::size_t(std::distance(first, last));
  for (auto it = first; it != last && count > kCapturesKept;) {
    std::uint64_t version = it->first.second;
    bool used = false;
    auto from = entries_.lower_bound({hash, version, 0}), to = entries_.upper_bound({hash, version, ~0ull});
    for (auto entry = from; entry != to; ++entry) used |= instances_.uses(entry->second.installed.get());
    if (used) {
      ++it;
      continue;
    }
    entries_.erase(from, to);
    it = captures_.erase(it);
    --count;
  }
}

std::shared_ptr<const Installed> Templates::find(std::uint64_t hash, std::uint64_t captures, std::uint64_t epoch) const {
  auto it = entries_.find({hash, captures, epoch});
  return it == entries_.end() ? nullptr : it->second.installed;
}

std::string Templates::whyMissing(std::uint64_t hash) const {
  auto it = refused_.find(hash);
  return it != refused_.end() ? it->second : "the plan, its captures or its epoch are not installed in this executor";
}

std::shared_ptr<const PlanTemplate> Templates::withNode(std::uint32_t node) const {
  for (const auto& [hash, plan] : plans_) {
    if (plan->view.position(node) >= 0) return plan;
  }
  return nullptr;
}

std::shared_ptr<const Installed> Templates::newest(std::uint64_t hash) const {
  std::shared_ptr<const Installed> found;
  for (auto it = entries_.lower_bound({hash, 0, 0}); it != entries_.end() && std::get<0>(it->first) == hash; ++it) {
    if (it->second.installed) found = it->second.installed;
  }
  return found;
}

}  // namespace sluice::executor
