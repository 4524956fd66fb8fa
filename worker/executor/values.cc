#include "worker/executor/values.h"

#include "sluice/error.h"

namespace sluice::executor {

namespace {
// Longer than the master waits for an executor whose session broke.
constexpr Duration kPatience = Milliseconds(2'000);

ValueId idOf(const proto::KeptValue& value) { return {value.node(), value.when_ms(), value.partition()}; }
}  // namespace

// ---- what tasks read ----

Values::Found Values::want(ValueId id, std::uint64_t at, const TaskPtr& task) {
  if (has(id)) return Found::kHere;
  auto waiters = valueWaiters_.find(id);
  bool coming = expected_.contains(id) || waiters != valueWaiters_.end();
  if (!coming && (at == 0 || at == control_.options.executor.value)) return Found::kLost;
  valueWaiters_[id].push_back({task, id});
  if (!coming) locate(id, at);
  return Found::kWaiting;
}

Values::Found Values::wantBlock(BlockId id, const proto::Input& input, ValueId source, const TaskPtr& task) {
  if (blocks_.contains(id)) return Found::kHere;
  bool coming = blockWaiters_.contains(id);
  std::vector<std::uint64_t> holders;
  for (std::uint64_t holder : input.holders()) {
    if (holder != control_.options.executor.value) holders.push_back(holder);
  }
  if (!coming && holders.empty()) return Found::kLost;
  blockWaiters_[id].push_back({task, source});
  if (!coming) {
    Fetch fetch{holders.front(), id, input.text()};
    fetch.others.assign(holders.begin() + 1, holders.end());
    ask(std::move(fetch));
  }
  return Found::kWaiting;
}

bool Values::has(ValueId id) const {
  auto it = kept_.find(id);
  return it != kept_.end() && control_.store().present(*it->second.rows);
}

RowsPtr Values::read(ValueId id) const {
  auto it = kept_.find(id);
  return it == kept_.end() ? nullptr : it->second.rows;
}

RowsPtr Values::readBlock(BlockId id) const {
  auto it = blocks_.find(id);
  return it == blocks_.end() ? nullptr : it->second.rows;
}

void Values::expect(ValueId id, int change) {
  int& count = expected_[id];
  count += change;
  if (count <= 0) {
    expected_.erase(id);
    if (change < 0) answerParked(id);
  }
}

void Values::locate(ValueId id, std::uint64_t at) {
  if (at == 0 || at == control_.options.executor.value || !valueWaiters_.contains(id)) return;
  for (auto it = fetches_.begin(); it != fetches_.end(); ++it) {
    const ValueId* wanted = std::get_if<ValueId>(&it->second.what);
    if (!wanted || *wanted != id) continue;
    if (it->second.peer == at) return;
    fetches_.erase(it);
    break;
  }
  ask({at, id});
}

void Values::keep(ValueId id, RowsPtr rows) {
  kept_[id] = {std::move(rows), false};
  if (auto it = valueWaiters_.find(id); it != valueWaiters_.end()) {
    std::vector<Waiter> waiters = std::move(it->second);
    valueWaiters_.erase(it);
    wake(waiters, 0);
  }
  answerParked(id);
}

void Values::addBlock(BlockId id, RowsPtr rows, bool text) {
  blocks_[id] = {std::move(rows), text};
  if (auto it = blockWaiters_.find(id); it != blockWaiters_.end()) {
    std::vector<Waiter> waiters = std::move(it->second);
    blockWaiters_.erase(it);
    wake(waiters, 0);
  }
}

void Values::addResult(Scope scope, std::uint32_t output, std::uint32_t partition, RowsPtr rows) {
  results_[{scope, output, partition}] = std::move(rows);
}

void Values::wake(std::vector<Waiter>& waiters, std::uint64_t asked) {
  for (Waiter& waiter : waiters) {
    if (asked != 0) control_.lost.push_back({waiter.task, waiter.lost, asked});
    else control_.arrived(waiter.task);
  }
}

// ---- asking peers ----

void Values::ask(Fetch fetch) {
  std::uint64_t request = nextRequest_++;
  const Fetch& asked = fetches_.emplace(request, std::move(fetch)).first->second;
  if (peers_.contains(asked.peer)) return sendGet(request, asked);
  control_.effects.arm({kFetchTimer, asked.peer}, control_.now + kPatience);
}

void Values::sendGet(std::uint64_t request, const Fetch& fetch) {
  auto [envelope, get] = compose(&proto::Message::mutable_get);
  get->set_app(control_.options.app.value);
  get->set_request(request);
  if (const ValueId* id = std::get_if<ValueId>(&fetch.what)) {
    get->mutable_kept()->set_node(id->node);
    get->mutable_kept()->set_when_ms(id->whenMs);
    get->mutable_kept()->set_partition(id->partition);
    if (auto waiters = valueWaiters_.find(*id); waiters != valueWaiters_.end()) {
      get->mutable_instance()->set_when_ms(waiters->second.front().task->scope);
    }
  } else {
    const BlockId& block = std::get<BlockId>(fetch.what);
    get->mutable_block()->set_source(block.source);
    get->mutable_block()->set_incarnation(block.incarnation);
    get->mutable_block()->set_sequence(block.sequence);
  }
  control_.send({Role::kExecutor, fetch.peer}, std::move(envelope));
}

template <class Body>
bool Values::addPieces(const Body& body, const Envelope& envelope, ObjectKind kind, Rows& rows, std::shared_ptr<Rows>& state) {
  if (body.piece_rows_size() != int(envelope.attachments.size())) return false;
  if (body.of_state_size() != 0 && !state) {
    state = std::make_shared<Rows>();
    state->unique = body.unique_state();
  }
  for (int i = 0; i < body.piece_rows_size(); ++i) {
    bool ofState = i < body.of_state_size() && body.of_state(i);
    ObjectPtr object = control_.store().put(ofState ? ObjectKind::kState : kind, envelope.attachments[std::size_t(i)], body.piece_rows(i));
    (ofState ? *state : rows).add({std::move(object)});
  }
  return true;
}

void Values::onGot(Peer from, const EnvelopePtr& envelope) {
  const proto::Got& got = envelope->message.got();
  auto it = fetches_.find(got.request());
  if (it == fetches_.end() || it->second.peer != from.id) return;
  Fetch& fetch = it->second;
  ObjectKind kind = std::holds_alternative<BlockId>(fetch.what) ? ObjectKind::kBlock : ObjectKind::kKept;
  if (!got.present() || !addPieces(got, *envelope, kind, *fetch.rows, fetch.state)) {
    Fetch failed = std::move(fetch);
    fetches_.erase(it);
    return failFetch(std::move(failed));
  }
  if (got.more()) return;
  Fetch done = std::move(fetch);
  fetches_.erase(it);
  arrivedFetch(done);
}

void Values::arrivedFetch(Fetch& fetch) {
  if (const ValueId* id = std::get_if<ValueId>(&fetch.what)) {
    if (has(*id)) return;
    fetch.rows->state = fetch.state;
    keep(*id, fetch.rows);
    kept_[*id].copy = true;
  } else {
    addBlock(std::get<BlockId>(fetch.what), fetch.rows, fetch.text);
  }
}

// Asks the next one that may have it, or gives up.
void Values::failFetch(Fetch fetch) {
  if (!fetch.others.empty()) {
    fetch.peer = fetch.others.front();
    fetch.others.erase(fetch.others.begin());
    fetch.rows = std::make_shared<Rows>(), fetch.state = nullptr;
    return ask(std::move(fetch));
  }
  std::vector<Waiter> waiters;
  if (const ValueId* id = std::get_if<ValueId>(&fetch.what)) {
    if (expected_.contains(*id)) return;
    if (auto it = valueWaiters_.find(*id); it != valueWaiters_.end()) waiters = std::move(it->second), valueWaiters_.erase(it);
  } else if (const BlockId* id = std::get_if<BlockId>(&fetch.what)) {
    if (auto it = blockWaiters_.find(*id); it != blockWaiters_.end()) waiters = std::move(it->second), blockWaiters_.erase(it);
  }
  wake(waiters, fetch.peer);
}

void Values::onPeer(std::uint64_t executor, bool up) {
  if (!up) {
    peers_.erase(executor);
    std::erase_if(parked_, [&](const auto& entry) { return entry.second.from == Peer{Role::kExecutor, executor}; });
    std::erase_if(copying_, [&](const auto& entry) { return entry.first.first == executor; });
    return failFetches(executor, false);
  }
  peers_.insert(executor);
  control_.effects.disarm({kFetchTimer, executor});
  if (auto copies = copiesFor_.find(executor); copies != copiesFor_.end()) {
    std::erase_if(copies->second, [&](ValueId id) { return !has(id); });
    for (ValueId id : copies->second) sendCopy(id, executor);
  }
  for (auto& [request, fetch] : fetches_) {
    if (fetch.peer != executor) continue;
    fetch.rows = std::make_shared<Rows>(), fetch.state = nullptr;
    sendGet(request, fetch);
  }
}

void Values::onFetchTimer(std::uint64_t executor) {
  if (!peers_.contains(executor)) failFetches(executor, true);
}

// Those that nobody else can answer are kept, unless `all`.
void Values::failFetches(std::uint64_t executor, bool all) {
  std::vector<Fetch> failed;
  bool kept = false;
  for (auto it = fetches_.begin(); it != fetches_.end();) {
    bool fails = it->second.peer == executor && (all || !it->second.others.empty());
    kept |= it->second.peer == executor && !fails;
    if (fails) failed.push_back(std::move(it->second));
    it = fails ? fetches_.erase(it) : std::next(it);
  }
  if (kept) control_.effects.arm({kFetchTimer, executor}, control_.now + kPatience);
  for (Fetch& fetch : failed) failFetch(std::move(fetch));
}

// ---- copies ----

namespace {

std::vector<Outgoing::Entry> entriesOf(const Rows& rows) {
  std::vector<Outgoing::Entry> entries;
  for (const Piece& piece : rows.pieces) entries.push_back({0, piece});
  if (rows.state) {
    for (const Piece& piece : rows.state->pieces) entries.push_back({1, piece});
  }
  return entries;
}

// Says what the pieces [first, first + count) of entriesOf() are.
template <class Body> void describePieces(const Rows& rows, std::size_t first, std::size_t count, Body& body) {
  std::size_t own = rows.pieces.size();
  for (std::size_t i = first; i < first + count; ++i) {
    body.add_piece_rows((i < own ? rows.pieces[i] : rows.state->pieces[i - own]).object->rows());
    if (rows.state) body.add_of_state(i >= own);
  }
  if (rows.state) body.set_unique_state(rows.state->unique);
}

// Other members, those on other hosts first, from the one after us on.
std::vector<std::uint64_t> copyTargets(const proto::Epoch& epoch, std::uint64_t self, std::uint32_t others) {
  std::vector<std::uint64_t> targets;
  int at = 0, n = epoch.members_size();
  while (at < n && epoch.members(at).executor() != self) ++at;
  for (bool otherHost : {true, false}) {
    for (int i = 1; at < n && i < n && targets.size() < others; ++i) {
      const auto& member = epoch.members((at + i) % n);
      if ((member.host() != epoch.members(at).host()) == otherHost) targets.push_back(member.executor());
    }
  }
  return targets;
}

}  // namespace

void Values::copyTo(ValueId id, std::uint32_t others, const proto::Epoch& epoch) {
  for (std::uint64_t target : copyTargets(epoch, control_.options.executor.value, others)) {
    copiesFor_[target].insert(id);
    if (peers_.contains(target)) sendCopy(id, target);
  }
}

void Values::sendCopy(ValueId id, std::uint64_t target) {
  RowsPtr rows = read(id);
  auto emit = [this, target, id, rows, number = ++copies_](std::size_t first, std::vector<Bytes> bytes, bool last) {
    auto [envelope, copy] = compose(&proto::Message::mutable_copy_kept);
    copy->set_number(number);
    copy->set_app(control_.options.app.value);
    copy->mutable_value()->set_node(id.node), copy->mutable_value()->set_when_ms(id.whenMs), copy->mutable_value()->set_partition(id.partition);
    copy->set_first(first == 0), copy->set_more(!last);
    describePieces(*rows, first, bytes.size(), *copy);
    envelope->attachments = std::move(bytes);
    control_.send({Role::kExecutor, target}, std::move(envelope));
  };
  Outgoing::start(control_, {Role::kExecutor, target}, entriesOf(*rows), std::move(emit), [] {});  // gone meanwhile: nobody misses the copy
}

void Values::onCopyKept(Peer from, const EnvelopePtr& envelope) {
  const auto& message = envelope->message.copy_kept();
  ValueId id = idOf(message.value());
  auto key = std::pair(from.id, id);
  if (message.first()) copying_[key] = Copy{message.number(), std::make_shared<Rows>(), nullptr};
  auto it = copying_.find(key);
  if (it == copying_.end() || it->second.number != message.number()) return;  // the start was lost with a session, or another one was made since
  if (!addPieces(message, *envelope, ObjectKind::kKept, *it->second.rows, it->second.state)) {
    copying_.erase(it);
    return;
  }
  if (message.more()) return;
  Copy copy = std::move(it->second);
  copying_.erase(it);
  copy.rows->state = copy.state;
  if (!has(id)) keep(id, std::move(copy.rows));
  kept_[id].copy = false;
  auto [reply, copied] = compose(&proto::Message::mutable_kept_copied);
  copied->set_app(control_.options.app.value);
  *copied->mutable_value() = message.value();
  copied->mutable_value()->set_bytes(read(id)->allBytes()), copied->mutable_value()->set_executor(control_.options.executor.value);
  control_.send(kMasterPeer, std::move(reply));
}

// ---- answering ----

void Values::onGet(Peer from, const EnvelopePtr& envelope) {
  const proto::Get& get = envelope->message.get();
  RowsPtr rows;
  switch (get.what_case()) {
    case proto::Get::kKept: {
      ValueId id = idOf(get.kept());
      if (has(id)) {
        rows = kept_[id].rows;
      } else if (expected_.contains(id)) {
        parked_.emplace(nextParked_++, Parked{from, envelope});
        return;
      }
      break;
    }
    case proto::Get::kBlock: rows = readBlock(BlockId::of(get.block())); break;
    case proto::Get::kResult: {
      auto it = results_.find({get.instance().when_ms(), get.result().output(), get.result().partition()});
      if (it != results_.end()) rows = it->second;
      break;
    }
    case proto::Get::kBroadcast:  // Broadcasts' own
    case proto::Get::WHAT_NOT_SET: break;
  }
  answer(from, get.request(), std::move(rows));
}

void Values::answer(Peer to, std::uint64_t request, RowsPtr rows) {
  auto absent = [this, to, request] {
    auto [reply, got] = compose(&proto::Message::mutable_got);
    got->set_request(request), got->set_present(false);
    control_.send(to, std::move(reply));
  };
  if (!rows) return absent();
  auto emit = [this, to, request, rows](std::size_t first, std::vector<Bytes> bytes, bool last) {
    auto [reply, got] = compose(&proto::Message::mutable_got);
    got->set_request(request), got->set_present(true), got->set_rows(rows->rows), got->set_more(!last);
    describePieces(*rows, first, bytes.size(), *got);
    reply->attachments = std::move(bytes);
    control_.send(to, std::move(reply));
  };
  Outgoing::start(control_, to, entriesOf(*rows), std::move(emit), std::move(absent));
}

void Values::answerParked(ValueId id) {
  std::vector<Parked> ready;
  for (auto it = parked_.begin(); it != parked_.end();) {
    if (idOf(it->second.envelope->message.get().kept()) != id) {
      ++it;
      continue;
    }
    ready.push_back(std::move(it->second));
    it = parked_.erase(it);
  }
  for (const Parked& get : ready) onGet(get.from, get.envelope);
}

// ---- letting go ----

void Values::release(Scope scope) {
  std::erase_if(results_, [&](const auto& entry) { return std::get<0>(entry.first) == scope; });
}

void Values::releaseBelow(std::uint32_t node, std::int64_t belowMs) {
  auto first = kept_.lower_bound({node, 1, 0}), last = kept_.lower_bound({node, std::max<std::int64_t>(belowMs, 1), 0});
  kept_.erase(first, last);
  control_.runtime.states().releaseBelow(node, belowMs);
}

void Values::unpersist(std::uint32_t node) {
  kept_.erase(kept_.lower_bound({node, INT64_MIN, 0}), kept_.lower_bound({node + 1, INT64_MIN, 0}));
}

void Values::drop(const TaskPtr& task) {
  auto remove = [&](auto& map) {
    for (auto it = map.begin(); it != map.end();) {
      std::erase_if(it->second, [&](const Waiter& waiter) { return waiter.task == task; });
      it = it->second.empty() ? map.erase(it) : std::next(it);
    }
  };
  remove(valueWaiters_);
  remove(blockWaiters_);
}

void Values::onAskStorage(const proto::AskStorage& ask) const {
  auto [envelope, storage] = compose(&proto::Message::mutable_storage);
  storage->set_app(control_.options.app.value), storage->set_request(ask.request()), storage->set_executor(control_.options.executor.value);
  for (const auto& [id, kept] : kept_) {
    if (id.whenMs != 0 || kept.copy || !control_.store().present(*kept.rows)) continue;
    std::uint64_t memory = 0, disk = 0;
    control_.store().measure(*kept.rows, memory, disk);
    auto& part = *storage->add_parts();
    part.set_node(id.node), part.set_partition(id.partition), part.set_memory_bytes(memory), part.set_disk_bytes(disk);
  }
  control_.send(kMasterPeer, std::move(envelope));
}

void Values::report(proto::Report& report) const {
  for (const auto& [id, kept] : kept_) {
    if (kept.copy || !control_.store().present(*kept.rows)) continue;
    proto::KeptValue* value = report.add_kept();
    value->set_node(id.node), value->set_when_ms(id.whenMs), value->set_partition(id.partition);
    value->set_bytes(kept.rows->allBytes()), value->set_executor(control_.options.executor.value);
  }
}

RowsPtr Values::version(std::uint32_t node, std::int64_t whenMs, std::uint32_t partition) const {
  for (auto it = kept_.upper_bound({node, whenMs, partition}); it != kept_.begin();) {
    --it;
    if (it->first.node != node) break;
    if (it->first.partition == partition && it->first.whenMs <= whenMs) return it->second.rows;
  }
  return nullptr;
}

}  // namespace sluice::executor
