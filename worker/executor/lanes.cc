#include "worker/executor/lanes.h"

#include <algorithm>
#include <utility>

#include "worker/executor/control.h"
#include "worker/executor/outgoing.h"

namespace sluice::executor {

namespace {
constexpr std::uint64_t kMostBytes = 8 << 20, kLeastBytes = 1 << 20;
}  // namespace

// Of all peers together a sixteenth of the memory.
std::uint64_t Lanes::most() const {
  std::uint64_t share = std::uint64_t(control_.store().budgetBytes()) / 16 / std::max<std::size_t>(lanes_.size(), 1);
  return std::clamp(share, kLeastBytes, kMostBytes);
}

std::uint64_t Lanes::session(Peer to) const {
  auto it = lanes_.find(to);
  return it == lanes_.end() ? 0 : it->second.session;
}

bool Lanes::enter(Peer to, const std::shared_ptr<Outgoing>& sender) {
  Lane& lane = lanes_[to];
  if (lane.untaken < most()) return true;
  lane.waiting.push_back(sender);
  return false;
}

void Lanes::onTaken(Peer to, std::uint64_t bytes) {
  Lane& lane = lanes_[to];
  lane.untaken -= std::min(lane.untaken, bytes);
  // Those that have more to send go to the end of the queue.
  while (!lane.waiting.empty() && lane.untaken < most()) {
    auto next = std::move(lane.waiting.front());
    lane.waiting.pop_front();
    next->step();
  }
}

void Lanes::take() {
  if (!std::exchange(due_, false)) return;
  for (auto& [from, lane] : lanes_) {
    if (lane.received < kTakenBytes) continue;
    auto [envelope, taken] = compose(&proto::Message::mutable_taken);
    taken->set_app(control_.options.app.value), taken->set_bytes(std::exchange(lane.received, 0));
    control_.send(from, std::move(envelope));
  }
}

void Lanes::onPeer(Peer peer) {
  Lane& lane = lanes_[peer];
  std::uint64_t session = lane.session + 1;
  lane = {};
  lane.session = session;
}

}  // namespace sluice::executor
