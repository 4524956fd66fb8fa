#include "worker/executor/templates.h"

#include "sluice/error.h"

namespace sluice::executor {

void Templates::onInstall(const EnvelopePtr& envelope) {
  const proto::Install& install = envelope->message.install();
  Entry& entry = entries_[install.template_hash()];
  if (install.has_plan() && !entry.plan) {
    try {
      auto plan = std::shared_ptr<const proto::Plan>(envelope, &install.plan());
      entry.plan = std::make_shared<const PlanTemplate>(std::move(plan), control_.runtime.code());
      entry.refused.clear();
    } catch (const Error& error) {
      entry.refused = error.what();
      control_.log(std::string("a plan cannot be installed: ") + error.what());
    }
  }
  for (const auto& member : install.epoch().members()) {
    bool dials = member.executor() < control_.options.executor.value;
    if (dials && !sessions_.contains(member.executor()) && asked_.insert(member.executor()).second) {
      control_.effects.connect({Role::kExecutor, member.executor()}, member.address());
    }
  }
  for (const auto& broadcast : install.broadcasts()) broadcasts_.learn(envelope, broadcast);
  if (!entry.plan) return;  // its tasks fail and say why
  entry.installed = std::make_shared<const Installed>(Installed{
      entry.plan, std::shared_ptr<const proto::Captures>(envelope, &install.captures()), std::shared_ptr<const proto::Epoch>(envelope, &install.epoch())});
}

void Templates::onPeer(std::uint64_t executor, bool up) {
  if (up) sessions_.insert(executor);
  else sessions_.erase(executor);
}

void Templates::onRelease(const proto::Release& release) {
  if (release.all_templates()) entries_.clear();
  for (std::uint64_t hash : release.templates()) entries_.erase(hash);
}

std::shared_ptr<const Installed> Templates::find(std::uint64_t hash, std::uint64_t captures, std::uint64_t epoch) const {
  std::shared_ptr<const Installed> last = newest(hash);
  return last && last->captures->version() == captures && last->epoch->epoch() == epoch ? last : nullptr;
}

std::string Templates::whyMissing(std::uint64_t hash) const {
  auto it = entries_.find(hash);
  return it != entries_.end() && !it->second.refused.empty() ? it->second.refused : "the plan, its captures or its epoch are not installed in this executor";
}

std::shared_ptr<const PlanTemplate> Templates::withNode(std::uint32_t node) const {
  for (const auto& [hash, entry] : entries_) {
    if (entry.plan && entry.plan->view.position(node) >= 0) return entry.plan;
  }
  return nullptr;
}

std::shared_ptr<const Installed> Templates::newest(std::uint64_t hash) const {
  auto it = entries_.find(hash);
  return it == entries_.end() ? nullptr : it->second.installed;
}

}  // namespace sluice::executor
