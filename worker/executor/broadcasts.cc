#include "worker/executor/broadcasts.h"

#include <xxhash.h>

#include <algorithm>
#include <cstring>

namespace sluice::executor {

namespace {

constexpr Duration kPatience = Milliseconds(2'000);  // for an answer of a peer, and between rounds
constexpr std::size_t kAtOnce = 4;                   // blocks of a value that are under way
constexpr std::uint32_t kPeersTried = 3;             // before the master is asked, which has all of it
constexpr std::uint32_t kRounds = 3;
// Apart from the numbers that Values gives to its questions.
constexpr std::uint64_t kOurRequests = std::uint64_t(1) << 63;

std::uint64_t mix(std::uint64_t a, std::uint64_t b) {
  std::uint64_t words[] = {a, b};
  return XXH3_64bits(words, sizeof words);
}

}  // namespace

void Broadcasts::learn(const EnvelopePtr& envelope, const proto::BroadcastValue& told) {
  Value& value = values_[told.id()];
  value.size = told.size(), value.blockBytes = std::max<std::uint64_t>(told.block_bytes(), 1);
  value.checksums.assign(told.checksums().begin(), told.checksums().end());
  value.holders.assign(told.holders().begin(), told.holders().end());
  value.failed = false;
  Bytes have;
  if (told.value().empty() && told.size() != 0) return;
  if (!control_.runtime.broadcast(told.id(), have)) control_.runtime.putBroadcast(told.id(), Bytes(envelope, told.value()));
  if (value.fetching) end(told.id(), value, true);
}

bool Broadcasts::want(std::uint64_t id, const TaskPtr& task) {
  Bytes have;
  if (control_.runtime.broadcast(id, have)) return true;
  auto it = values_.find(id);
  if (it == values_.end()) return true;
  Value& value = it->second;
  value.waiters.push_back(task);
  if (!value.fetching) begin(id, value);
  if (value.fetching) return false;
  value.waiters.pop_back();
  return true;
}

bool Broadcasts::fetchable(std::uint64_t id) const {
  auto it = values_.find(id);
  return it != values_.end() && !it->second.failed;
}

// ---- fetching ----

void Broadcasts::begin(std::uint64_t id, Value& value) {
  value.fetching = true, value.failed = false;
  value.room = std::shared_ptr<char[]>(new char[value.size]);
  value.blocks.assign(value.checksums.size(), {});
  value.missing = value.blocks.size(), value.open = value.next = 0, value.rounds = 0;
  if (!timing_) timing_ = true, control_.effects.arm({kBroadcastTimer, 0}, control_.now + kPatience);
  askMore(id, value);
}

void Broadcasts::askMore(std::uint64_t id, Value& value) {
  // Each executor begins elsewhere, so that they soon have different parts to give to each other.
  std::size_t n = value.blocks.size(), first = n == 0 ? 0 : mix(id, control_.options.executor.value) % n;
  while (value.fetching && value.open < kAtOnce && value.next < n) {
    auto block = std::uint32_t((first + value.next++) % n);
    if (value.blocks[block].here || value.blocks[block].asked) continue;
    ++value.open;
    ask(id, value, block);
  }
}

void Broadcasts::ask(std::uint64_t id, Value& value, std::uint32_t at) {
  Block& block = value.blocks[at];
  block.asked = true, block.stuck = false, block.since = control_.now;
  std::size_t n = value.holders.size(), most = std::min<std::size_t>(n, kPeersTried);
  while (block.tries < most) {
    std::uint64_t holder = value.holders[(mix(id, control_.options.executor.value) + at + block.tries++) % n];
    if (!peers_.contains(holder)) continue;
    block.at = {Role::kExecutor, holder};
    return send(block.at, id, at);
  }
  block.stuck = block.tries++ > most;  // the timer begins another round
  if (block.stuck) return;
  block.at = kMasterPeer;
  send(kMasterPeer, id, at);
}

void Broadcasts::send(Peer to, std::uint64_t id, std::uint32_t block) {
  std::uint64_t request = kOurRequests | nextRequest_++;
  requests_[request] = {id, block};
  auto [envelope, get] = compose(&proto::Message::mutable_get);
  get->set_app(control_.options.app.value), get->set_request(request);
  get->set_broadcast(id), get->set_broadcast_block(block);
  control_.send(to, std::move(envelope));
}

bool Broadcasts::onGot(Peer from, const EnvelopePtr& envelope) {
  const proto::Got& got = envelope->message.got();
  if ((got.request() & kOurRequests) == 0) return false;
  auto it = requests_.find(got.request());
  if (it == requests_.end()) return true;
  auto [id, block] = it->second;
  requests_.erase(it);
  auto found = values_.find(id);
  if (found == values_.end() || !found->second.fetching || block >= found->second.blocks.size()) return true;
  Value& value = found->second;
  if (value.blocks[block].here) return true;
  std::string_view bytes = envelope->attachments.empty() ? std::string_view() : envelope->attachments[0].view();
  bool sound = got.present() && bytes.size() == bytesOf(value, block) && XXH3_64bits(bytes.data(), bytes.size()) == value.checksums[block];
  if (sound) {
    arrived(id, value, block, bytes);
    return true;
  }
  if (got.present()) control_.log("a block of the broadcast value " + std::to_string(id) + " from " + from.toString() + " is damaged; it is asked for again");
  if (value.blocks[block].at == from && !value.blocks[block].stuck) ask(id, value, block);  // else it is under way from elsewhere
  return true;
}

void Broadcasts::arrived(std::uint64_t id, Value& value, std::uint32_t block, std::string_view bytes) {
  std::memcpy(value.room.get() + block * value.blockBytes, bytes.data(), bytes.size());
  value.blocks[block].here = true;
  --value.missing, --value.open, value.rounds = 0;
  answerParked(id, block, blockOf(value, block));
  if (value.missing == 0) {
    control_.runtime.putBroadcast(id, Bytes(value.room, {value.room.get(), value.size}));
    return end(id, value, true);
  }
  askMore(id, value);
}

void Broadcasts::end(std::uint64_t id, Value& value, bool here) {
  value.fetching = false, value.failed = !here;
  Bytes whole;
  control_.runtime.broadcast(id, whole);
  for (std::uint32_t block = 0; block < value.blocks.size(); ++block) {
    answerParked(id, block, here ? whole.part(block * value.blockBytes, bytesOf(value, block)) : Bytes());
  }
  value.room.reset(), value.blocks.clear();
  std::erase_if(requests_, [&](const auto& entry) { return entry.second.id == id; });
  for (const TaskPtr& task : std::exchange(value.waiters, {})) control_.arrived(task);
}

void Broadcasts::onPeer(Peer with, bool up) {
  if (with.role == Role::kExecutor) {
    if (up) peers_.insert(with.id);
    else peers_.erase(with.id);
    if (!up) std::erase_if(parked_, [&](const Parked& parked) { return parked.from == with; });
  }
  bool master = with == kMasterPeer;
  if (up != master) return;  // what the master was asked waits for its next session; what a peer was asked is asked elsewhere
  for (auto& [id, value] : values_) {
    for (std::uint32_t block = 0; value.fetching && block < value.blocks.size(); ++block) {
      Block& asked = value.blocks[block];
      if (asked.here || !asked.asked || asked.stuck || asked.at != with) continue;
      if (master) send(kMasterPeer, id, block);
      else ask(id, value, block);
    }
  }
}

void Broadcasts::onTimer() {
  timing_ = false;
  bool waits = false;
  for (auto& [id, value] : values_) {
    bool stuck = false, waiting = false;
    for (std::uint32_t block = 0; value.fetching && block < value.blocks.size(); ++block) {
      Block& asked = value.blocks[block];
      if (asked.here || !asked.asked) continue;
      if (!asked.stuck && asked.at.role == Role::kExecutor && !(control_.now < asked.since + kPatience)) ask(id, value, block);
      (asked.stuck ? stuck : waiting) = true;
    }
    if (stuck && !waiting) {
      if (++value.rounds == kRounds) {
        control_.log("the broadcast value " + std::to_string(id) + " cannot be fetched: neither executors nor the master have all of it");
        end(id, value, false);
      }
      for (std::uint32_t block = 0; block < value.blocks.size(); ++block) {
        Block& asked = value.blocks[block];
        if (!asked.here && asked.asked) asked.tries = 0, ask(id, value, block);
      }
    }
    waits |= value.fetching;
  }
  if (waits && !timing_) timing_ = true, control_.effects.arm({kBroadcastTimer, 0}, control_.now + kPatience);
}

// ---- giving ----

std::uint64_t Broadcasts::bytesOf(const Value& value, std::uint32_t block) const {
  return std::min(value.blockBytes, value.size - block * value.blockBytes);
}

Bytes Broadcasts::blockOf(const Value& value, std::uint32_t block) const {
  return Bytes(value.room, {value.room.get() + block * value.blockBytes, bytesOf(value, block)});
}

void Broadcasts::onGet(Peer from, const proto::Get& get) {
  auto it = values_.find(get.broadcast());
  std::uint32_t block = get.broadcast_block();
  if (it == values_.end() || block >= it->second.checksums.size()) return answer(from, get.request(), {});
  const Value& value = it->second;
  Bytes whole;
  if (control_.runtime.broadcast(get.broadcast(), whole)) {
    return answer(from, get.request(), whole.part(block * value.blockBytes, bytesOf(value, block)));
  }
  if (!value.fetching) return answer(from, get.request(), {});
  if (value.blocks[block].here) return answer(from, get.request(), blockOf(value, block));
  // Those with lower numbers do not wait for those with higher ones, so that nobody waits in a circle: after unpersist each takes the others for
  // holders, and none of them is one.
  if (from.id < control_.options.executor.value) return answer(from, get.request(), {});
  parked_.push_back({from, get.request(), get.broadcast(), block});
}

void Broadcasts::answer(Peer to, std::uint64_t request, Bytes block) {
  auto [envelope, got] = compose(&proto::Message::mutable_got);
  got->set_request(request), got->set_present(!block.empty());
  if (!block.empty()) envelope->attachments.push_back(std::move(block));
  control_.send(to, std::move(envelope));
}

void Broadcasts::answerParked(std::uint64_t id, std::uint32_t block, const Bytes& bytes) {
  std::vector<Parked> ready;
  std::erase_if(parked_, [&](const Parked& parked) {
    bool is = parked.id == id && parked.block == block;
    if (is) ready.push_back(parked);
    return is;
  });
  for (const Parked& parked : ready) answer(parked.from, parked.request, bytes);
}

// ---- letting go ----

void Broadcasts::unpersist(std::uint64_t id) {
  control_.runtime.dropBroadcast(id);  // what is being fetched is waited for
}

void Broadcasts::forget(std::uint64_t id) {
  control_.runtime.dropBroadcast(id);
  auto it = values_.find(id);
  if (it == values_.end()) return;
  if (it->second.fetching) end(id, it->second, false);
  values_.erase(it);
}

void Broadcasts::drop(const TaskPtr& task) {
  for (auto& [id, value] : values_) std::erase(value.waiters, task);
}

}  // namespace sluice::executor
