#include "worker/executor/shuffle.h"

#include <xxhash.h>

#include <algorithm>
#include <set>

#include "common/fail_point.h"

namespace sluice::executor {

namespace {

constexpr std::uint32_t kMostMaps = 1 << 22;  // a larger number in a message is damage

// Which buckets a piece holds, as one number of the message; 0: all.
std::uint32_t packBuckets(const Piece& piece) { return piece.whole() ? 0 : piece.low | std::uint32_t(piece.high) << 8; }

}  // namespace

std::uint64_t pushChecksum(const std::vector<Bytes>& attachments) {
  std::uint64_t sum = attachments.size();
  for (const Bytes& bytes : attachments) sum = XXH3_64bits_withSeed(bytes.data(), bytes.size(), sum);
  return sum;
}

Shuffle::State& Shuffle::state(const ExchangeUse& use) {
  State& state = states_[use.key];
  state.marked = use.marked;
  state.scope = use.scope;  // the last user decides when it goes
  if (use.key.whenMs == 0 && std::find(state.users.begin(), state.users.end(), use.scope) == state.users.end()) state.users.push_back(use.scope);
  return state;
}

void Shuffle::accept(State& state, std::uint32_t reducer, std::uint32_t map, RowsPtr rows) {
  Incoming& incoming = state.incoming[reducer];
  if (map >= incoming.maps.size()) incoming.maps.resize(state.maps != kUnknown && map < state.maps ? state.maps : map + 1);
  if (incoming.maps[map] && !SLUICE_FAIL_POINT("executor.segment_counted_twice")) return;
  incoming.maps[map] = std::move(rows);
  ++incoming.have;
  if (!complete(state, incoming)) return;
  for (const TaskPtr& task : incoming.waiting) control_.arrived(task);
  incoming.waiting.clear();
}

bool Shuffle::want(const ExchangeUse& use, std::uint32_t reducer, std::uint32_t maps, const TaskPtr& task) {
  State& state = this->state(use);
  state.maps = maps;
  for (const auto& [map, own] : state.own) {  // made here while the reducer was elsewhere
    if (reducer < own.segments->size()) accept(state, reducer, map, RowsPtr(own.segments, &(*own.segments)[reducer]));
  }
  Incoming& incoming = state.incoming[reducer];
  if (incoming.maps.size() < maps) incoming.maps.resize(maps);
  if (complete(state, incoming)) return true;
  incoming.waiting.push_back(task);
  return false;
}

bool Shuffle::read(ExchangeKey key, std::uint32_t reducer, std::vector<RowsPtr>& maps) const {
  auto it = states_.find(key);
  if (it == states_.end()) return false;
  auto incoming = it->second.incoming.find(reducer);
  if (incoming == it->second.incoming.end() || !complete(it->second, incoming->second)) return false;
  maps = incoming->second.maps;
  return true;
}

bool Shuffle::has(ExchangeKey key, std::uint32_t map) const {
  auto it = states_.find(key);
  return it != states_.end() && it->second.own.contains(map);
}

absl::InlinedVector<std::uint64_t, 1> Shuffle::targets(const State& state, const Own& own, std::uint32_t reducer) const {
  absl::InlinedVector<std::uint64_t, 1> found;
  if (auto it = state.moved.find(reducer); it != state.moved.end() && it->second.epoch >= own.epoch->epoch()) found = it->second.to;
  if (own.broadcast) {
    for (const auto& member : own.epoch->members()) {
      if (std::find(found.begin(), found.end(), member.executor()) == found.end()) found.push_back(member.executor());
    }
  } else if (found.empty() && own.epoch->members_size() != 0) {
    found.push_back(own.epoch->members(int(placeOf(*own.epoch, reducer, std::uint32_t(own.segments->size())))).executor());
  }
  return found;
}

void Shuffle::finished(const ExchangeUse& use, std::uint32_t map, std::uint32_t attempt, bool broadcast,
                       std::shared_ptr<const proto::Epoch> epoch, std::shared_ptr<const std::vector<Rows>> segments) {
  State& state = this->state(use);
  // What is there is as good, but who reads it may be elsewhere by now.
  auto [it, fresh] = state.own.try_emplace(map, Own{attempt, broadcast, epoch, std::move(segments)});
  if (epoch->epoch() > it->second.epoch->epoch()) it->second.epoch = std::move(epoch);
  const Own& own = it->second;
  std::map<std::uint64_t, std::vector<std::uint32_t>> remote;
  for (std::uint32_t reducer = 0; reducer < own.segments->size(); ++reducer) {
    for (std::uint64_t executor : targets(state, own, reducer)) {
      if (executor == control_.options.executor.value) {
        accept(state, reducer, map, RowsPtr(own.segments, &(*own.segments)[reducer]));
      } else {
        remote[executor].push_back(reducer);
      }
    }
  }
  for (const auto& [executor, reducers] : remote) push(executor, use.key, state, map, own, reducers);
}

void Shuffle::push(std::uint64_t executor, ExchangeKey key, const State& state, std::uint32_t map, const Own& own,
                   std::vector<std::uint32_t> reducers) {
  if (auto it = pushing_.find({executor, key, map}); it != pushing_.end()) {
    // Its start anew would make the receiver forget what is under way for others.
    if (!it->second.outgoing->over()) {
      const auto& open = it->second.reducers;
      reducers.insert(reducers.end(), open.begin(), open.end());
      std::sort(reducers.begin(), reducers.end());
      reducers.erase(std::unique(reducers.begin(), reducers.end()), reducers.end());
    }
    it->second.outgoing->cancel();
    pushing_.erase(it);
  }
  std::vector<Outgoing::Entry> entries;
  std::vector<std::uint32_t> empty;  // are told too: the reducer waits for all map partitions
  for (std::uint32_t reducer : reducers) {
    const Rows& rows = (*own.segments)[reducer];
    for (const Piece& piece : rows.pieces) entries.push_back({reducer, piece});
    if (rows.pieces.empty()) empty.push_back(reducer);
  }
  if (pushing_.size() >= sweepAt_) {
    sweep();
    sweepAt_ = std::max<std::size_t>(64, 2 * pushing_.size());
  }
  auto chunk = std::make_shared<std::uint32_t>(0);
  auto all = std::make_shared<const std::vector<Outgoing::Entry>>(entries);
  auto emit = [this, executor, use = ExchangeUse{key, state.marked, state.scope}, map, attempt = own.attempt, all, empty = std::move(empty), chunk](
                  std::size_t first, std::vector<Bytes> bytes, bool last) {
    auto [envelope, message] = compose(&proto::Message::mutable_push);
    message->set_app(control_.options.app.value);
    message->set_node(use.key.exchange.node), message->set_edge(use.key.exchange.edge), message->set_marked(use.marked);
    message->set_when_ms(use.key.whenMs), message->set_scope_ms(use.scope);
    message->set_map_partition(map), message->set_attempt(attempt);
    bool bucketed = false;
    for (std::size_t i = first; i < first + bytes.size(); ++i) bucketed |= !(*all)[i].piece.whole();
    for (std::size_t i = first; i < first + bytes.size(); ++i) {
      const Outgoing::Entry& entry = (*all)[i];
      message->add_reducer(entry.tag), message->add_rows(entry.piece.object->rows());
      if (bucketed) message->add_bucket(packBuckets(entry.piece));
    }
    envelope->attachments = std::move(bytes);
    if (last) {
      for (std::uint32_t reducer : empty) {
        message->add_reducer(reducer), message->add_rows(0);
        envelope->attachments.emplace_back();
      }
    }
    message->set_chunk((*chunk)++), message->set_last(last);
    message->set_checksum(pushChecksum(envelope->attachments));
    control_.send({Role::kExecutor, executor}, std::move(envelope));
  };
  auto gone = [this] {
    control_.log("segments that a peer asked for cannot be read back from the spill file");
    control_.runtime.mapOutputs().forgetAll();  // what earlier jobs left lies in such files, too
  };
  auto outgoing = Outgoing::start(control_, {Role::kExecutor, executor}, std::move(entries), std::move(emit), std::move(gone));
  if (!outgoing->over()) pushing_[{executor, key, map}] = {std::move(outgoing), std::move(reducers)};
}

void Shuffle::sweep() {
  std::erase_if(pushing_, [&](const auto& entry) {
    if (entry.second.outgoing->over()) return true;
    if (states_.contains(std::get<1>(entry.first))) return false;
    entry.second.outgoing->cancel();
    return true;
  });
}

void Shuffle::move(const ExchangeUse& use, std::uint64_t epoch, const std::vector<std::pair<std::uint32_t, std::uint64_t>>& routes) {
  State& state = this->state(use);
  for (const auto& [reducer, executor] : routes) state.moved.erase(reducer);
  std::map<std::uint64_t, std::vector<std::uint32_t>> remote;
  for (const auto& [reducer, executor] : routes) {
    auto& to = state.moved.try_emplace(reducer, State::Moved{epoch, {}}).first->second.to;
    if (std::find(to.begin(), to.end(), executor) == to.end()) to.push_back(executor);
    if (executor != control_.options.executor.value) remote[executor].push_back(reducer);
  }
  for (const auto& [map, own] : state.own) {
    for (const auto& [reducer, executor] : routes) {
      if (executor != control_.options.executor.value || reducer >= own.segments->size()) continue;
      accept(state, reducer, map, RowsPtr(own.segments, &(*own.segments)[reducer]));
    }
    for (const auto& [executor, reducers] : remote) {
      std::vector<std::uint32_t> there;
      for (std::uint32_t reducer : reducers) {
        if (reducer < own.segments->size()) there.push_back(reducer);
      }
      if (!there.empty()) push(executor, use.key, state, map, own, there);
    }
  }
}

void Shuffle::onPush(Peer from, const EnvelopePtr& envelope) {
  const proto::Push& push = envelope->message.push();
  ExchangeKey key{{push.node(), push.edge()}, push.when_ms()};
  if (push.map_partition() >= kMostMaps || envelope->attachments.size() != std::size_t(push.reducer_size()) ||
      push.rows_size() != push.reducer_size() || pushChecksum(envelope->attachments) != push.checksum()) {
    control_.log("a push from " + from.toString() + " was damaged on the way and is dropped");
    return;
  }
  State& state = this->state({key, push.marked(), push.scope_ms()});
  auto at = state.growing.try_emplace({from.id, push.map_partition(), push.attempt()}).first;
  Growing& growing = at->second;
  if (push.chunk() == 0) growing = {};
  if (push.chunk() != growing.nextChunk) return;  // the rest of an attempt whose start was lost; it comes again
  ++growing.nextChunk;
  for (int i = 0; i < push.reducer_size(); ++i) {
    auto it = std::find_if(growing.reducers.begin(), growing.reducers.end(), [&](auto& r) { return r.first == push.reducer(i); });
    if (it == growing.reducers.end()) {
      it = growing.reducers.insert(growing.reducers.end(), {push.reducer(i), std::make_shared<Rows>()});
    }
    if (push.rows(i) == 0) continue;
    Piece piece{control_.store().put(ObjectKind::kSegment, envelope->attachments[std::size_t(i)], push.rows(i))};
    if (i < push.bucket_size() && push.bucket(i) != 0) {
      piece.low = std::uint8_t(push.bucket(i)), piece.high = std::uint8_t(push.bucket(i) >> 8);
    }
    it->second->add(std::move(piece));
  }
  if (!push.last()) return;
  Growing done = std::move(growing);
  state.growing.erase(at);
  for (auto& [reducer, rows] : done.reducers) accept(state, reducer, push.map_partition(), std::move(rows));
}

void Shuffle::resend(std::uint64_t executor) {
  for (auto& [key, state] : states_) {
    for (const auto& [map, own] : state.own) {
      std::vector<std::uint32_t> reducers;
      for (std::uint32_t reducer = 0; reducer < own.segments->size(); ++reducer) {
        auto to = targets(state, own, reducer);
        if (std::find(to.begin(), to.end(), executor) != to.end()) reducers.push_back(reducer);
      }
      if (!reducers.empty()) push(executor, key, state, map, own, reducers);
    }
  }
}

void Shuffle::release(Scope scope) {
  std::erase_if(states_, [&](const auto& entry) {
    const auto& [key, state] = entry;
    if (state.scope != scope || key.whenMs >= 0) return false;
    for (const auto& [map, own] : state.own) {
      if (!state.lasts) break;
      for (const Rows& rows : *own.segments) control_.store().demote(rows);
    }
    return true;
  });
  sweep();
}

void Shuffle::releaseBelow(std::uint32_t node, std::int64_t belowMs) {
  std::erase_if(states_, [&](const auto& entry) {
    const auto& [key, state] = entry;
    return key.whenMs > 0 && key.whenMs < belowMs && state.marked == node;
  });
  sweep();
}

void Shuffle::drop(const TaskPtr& task) {
  for (auto& [key, state] : states_) {
    for (auto& [reducer, incoming] : state.incoming) {
      auto& waiting = incoming.waiting;
      waiting.erase(std::remove(waiting.begin(), waiting.end(), task), waiting.end());
    }
  }
}

void Shuffle::drop(const proto::DroppedExchange& dropped) {
  auto it = states_.find({{dropped.node(), dropped.edge()}, 0});
  if (it == states_.end()) return;
  const std::set<Scope> over(dropped.instances().begin(), dropped.instances().end());
  if (!std::all_of(it->second.users.begin(), it->second.users.end(), [&](Scope user) { return over.contains(user); })) return;
  states_.erase(it);
  sweep();
}

}  // namespace sluice::executor
