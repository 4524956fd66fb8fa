#include "master/broadcasts.h"

#include <xxhash.h>

#include <algorithm>

#include "common/conf_keys.h"

namespace sluice::master {

namespace {

constexpr std::uint64_t kInline = 64 << 10;  // values up to this size come with the plan
constexpr std::size_t kHolders = 16;         // that an executor is told of

std::shared_ptr<Envelope> releaseOf(const App& app, std::uint64_t request, const std::vector<std::uint64_t>& broadcasts) {
  return messageOf(&proto::Message::mutable_release, [&](proto::Release& release) {
    release.set_app(app.id.value), release.set_request(request);
    for (std::uint64_t id : broadcasts) release.add_unpersisted_broadcasts(id);
  });
}

void settle(State& s, App& app, std::uint64_t request) {
  auto it = app.droppings.find(request);
  if (it == app.droppings.end() || !it->second.missing.empty()) return;
  app.droppings.erase(it);
  if (!app.driver) return;
  s.send(*app.driver, messageOf(&proto::Message::mutable_dropped, [&](proto::Dropped& dropped) {
           dropped.set_app(app.id.value), dropped.set_request(request);
         }));
}

}  // namespace

void takeShare(State& s, App& app, const Envelope& envelope) {
  const auto& share = envelope.message.share();
  if (share.drop()) {
    app.broadcasts.erase(share.id());
    for (auto& executor : app.executors) executor->broadcasts.erase(share.id());
    for (std::uint32_t index : app.up) {
      s.send(app.executors[index]->peer(), messageOf(&proto::Message::mutable_release, [&](proto::Release& release) {
               release.set_app(app.id.value), release.add_destroyed_broadcasts(share.id());
             }));
    }
    return;
  }
  Shared& shared = app.broadcasts[share.id()];
  shared.size = share.size();
  for (const auto& piece : envelope.attachments) {
    if (share.offset() == shared.bytes.size()) shared.bytes.append(piece.view());  // repeated pieces are known already
  }
  if (!shared.whole() || !shared.checksums.empty()) return;
  shared.blockBytes = std::max<std::uint64_t>(app.conf.get(conf::kBroadcastBlockSize).bytes, 1);
  for (std::uint64_t at = 0; at < shared.size; at += shared.blockBytes) {
    shared.checksums.push_back(XXH3_64bits(shared.bytes.data() + at, std::min(shared.blockBytes, shared.size - at)));
  }
}

bool describeBroadcast(App& app, Executor& executor, std::uint64_t id, proto::BroadcastValue& to) {
  auto found = app.broadcasts.find(id);
  if (found == app.broadcasts.end() || !found->second.whole() || !executor.broadcasts.insert(id).second) return false;
  const Shared& shared = found->second;
  to.set_id(id), to.set_size(shared.size), to.set_block_bytes(shared.blockBytes);
  *to.mutable_checksums() = {shared.checksums.begin(), shared.checksums.end()};
  if (shared.size <= std::min(kInline, shared.blockBytes)) {
    to.set_value(shared.bytes);
    return true;
  }
  std::vector<std::uint64_t> holders;
  for (std::uint32_t index : app.up) {
    const Executor& other = *app.executors[index];
    if (&other != &executor && other.broadcasts.contains(id)) holders.push_back(other.id.value);
  }
  // Others for everybody, so that no one has to serve all.
  for (std::size_t i = 0; i < std::min(kHolders, holders.size()); ++i) to.add_holders(holders[(executor.index * kHolders + i) % holders.size()]);
  return true;
}

void answerGet(State& s, App& app, Peer from, const proto::Get& get) {
  auto envelope = std::make_shared<Envelope>();
  proto::Got& got = *envelope->message.mutable_got();
  got.set_request(get.request());
  auto found = app.broadcasts.find(get.broadcast());
  if (found != app.broadcasts.end() && found->second.whole() && get.broadcast_block() < found->second.checksums.size()) {
    const Shared& shared = found->second;
    got.set_present(true);
    envelope->attachments.push_back(Bytes::of(shared.bytes.substr(get.broadcast_block() * shared.blockBytes, shared.blockBytes)));
  }
  s.send(from, std::move(envelope));
}

void dropBroadcasts(State& s, App& app, const proto::Unpersist& unpersist) {
  if (unpersist.broadcasts().empty()) return;
  Dropping dropping;
  dropping.broadcasts.assign(unpersist.broadcasts().begin(), unpersist.broadcasts().end());
  for (std::uint32_t index : app.up) {
    const Executor& executor = *app.executors[index];
    dropping.missing.insert(executor.id.value);
    s.send(executor.peer(), releaseOf(app, unpersist.request(), dropping.broadcasts));
  }
  if (unpersist.request() == 0) return;
  app.droppings[unpersist.request()] = std::move(dropping);
  settle(s, app, unpersist.request());
}

void takeDropped(State& s, App& app, Peer from, std::uint64_t request) {
  auto it = app.droppings.find(request);
  if (it == app.droppings.end()) return;
  it->second.missing.erase(from.id);
  settle(s, app, request);
}

void forgetDropping(State& s, App& app, const Executor& executor) {
  std::vector<std::uint64_t> requests;
  for (auto& [request, dropping] : app.droppings) {
    if (dropping.missing.erase(executor.id.value) != 0) requests.push_back(request);
  }
  for (std::uint64_t request : requests) settle(s, app, request);
}

void resendDropping(State& s, App& app, const Executor& executor) {
  for (auto& [request, dropping] : app.droppings) {
    if (dropping.missing.contains(executor.id.value)) s.send(executor.peer(), releaseOf(app, request, dropping.broadcasts));
  }
}

}  // namespace sluice::master
