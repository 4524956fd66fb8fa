// The driver's end of the protocol: what executors keep, and how many of them there are.
#include <utility>

#include "client/driver.h"

namespace sluice {

EnvelopePtr Driver::askStorageMessage(std::uint64_t request) const {
  auto [envelope, ask] = compose(&proto::Message::mutable_ask_storage);
  ask->set_app(app_), ask->set_request(request);
  return envelope;
}

proto::Storage Driver::storage() {
  Call call(*this);
  std::unique_lock lock(mutex_);
  checkAlive();
  std::uint64_t request = ++lastRequest_;
  auto& asked = storageAsked_[request];
  EnvelopePtr message = session_ ? askStorageMessage(request) : nullptr;
  lock.unlock();
  if (message) backend_->link().send(kMasterPeer, std::move(message));
  lock.lock();
  wait(lock, Lent::toNone(), [&] { return asked.has_value() || !failed_.empty() || closing_; });
  auto answer = std::move(asked);
  storageAsked_.erase(request);
  if (!answer) checkAlive();
  return answer ? std::move(*answer) : proto::Storage();
}

EnvelopePtr Driver::scaleMessage(std::uint64_t request, const proto::ScaleExecutors& what) const {
  auto [envelope, scale] = compose(&proto::Message::mutable_scale_executors);
  *scale = what;
  scale->set_app(app_), scale->set_request(request);
  return envelope;
}

proto::Scaled Driver::scale(const proto::ScaleExecutors& what) {
  Call call(*this);
  std::unique_lock lock(mutex_);
  checkAlive();
  std::uint64_t request = ++lastRequest_;
  PendingScale& pending = scales_[request] = {what, {}, false};
  EnvelopePtr message = session_ ? scaleMessage(request, what) : nullptr;
  lock.unlock();
  if (message) backend_->link().send(kMasterPeer, std::move(message));
  lock.lock();
  wait(lock, Lent::toNone(), [&] { return pending.told || !failed_.empty() || closing_; });
  proto::Scaled answer = std::move(pending.answer);
  bool told = pending.told;
  scales_.erase(request);
  if (!told) checkAlive();
  return answer;
}

void Driver::onScaled(const proto::Scaled& scaled) {
  if (scaled.has_total()) executorTarget_ = scaled.total();
  auto it = scales_.find(scaled.request());
  if (it != scales_.end()) it->second.answer = scaled, it->second.told = true;
}

}  // namespace sluice
