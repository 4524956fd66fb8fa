#include "master/sources.h"

#include <algorithm>
#include <utility>

#include "master/scheduler.h"
#include "master/stream_events.h"
#include "master/streams.h"

namespace sluice::master {
namespace {

// Of the preferred host's executors if it has any, else of all.
std::uint32_t leastLoaded(const App& app, const std::string& preferredHost) {
  std::vector<std::uint32_t> receivers(app.executors.size());
  for (const auto& [number, stream] : app.streams) {
    for (const auto& [node, receiver] : stream->receivers) {
      if (receiver.at != kNowhere) ++receivers[receiver.at];
    }
  }
  auto away = [&](std::uint32_t index) { return !preferredHost.empty() && app.executors[index]->host != preferredHost; };
  auto cost = [&](std::uint32_t index) { return std::pair(away(index), receivers[index]); };
  return *std::min_element(app.up.begin(), app.up.end(), [&](std::uint32_t a, std::uint32_t b) { return cost(a) < cost(b); });
}

// Other executors that get copies of its blocks: on other hosts while there are any.
std::vector<std::uint64_t> copyTargets(const App& app, std::uint32_t at, std::uint32_t copies) {
  std::vector<std::uint64_t> targets;
  auto start = std::size_t(std::find(app.up.begin(), app.up.end(), at) - app.up.begin());
  for (bool otherHost : {true, false}) {
    for (std::size_t i = 1; i < app.up.size() && targets.size() + 1 < copies; ++i) {
      const Executor& executor = *app.executors[app.up[(start + i) % app.up.size()]];
      if ((executor.host != app.executors[at]->host) == otherHost) targets.push_back(executor.id.value);
    }
  }
  return targets;
}

// Batches for which a planner's directory was listed by earlier incarnations, as far as the journal knows; 0: none.
std::int64_t listedBefore(const StreamRecord& record) {
  return record.allocatedMs > record.resumedMs ? record.allocatedMs : record.restoredMs;
}

std::shared_ptr<Envelope> startOf(const State& s, const App& app, const Stream& stream, const Receiver& receiver, const SourceRecord& source) {
  const std::uint32_t node = receiver.node;
  const auto& planned = stream.plan->view.node(node).source();
  return messageOf(&proto::Message::mutable_start_receiver, [&](proto::StartReceiver& start) {
    start.set_app(app.id.value), start.set_node(node), start.set_incarnation(source.incarnation);
    start.set_template_hash(stream.plan->hash()), start.set_zero_ms(stream.record->zeroMs), start.set_interval_ms(stream.intervalMs);
    for (std::uint64_t target : copyTargets(app, receiver.at, planned.copies() ? planned.copies() : 2)) start.add_copies_to(target);
    *start.mutable_source() = planned;
    if (planned.kind() == proto::SOURCE_RECEIVER) start.set_records_per_second(startingRate(app, receiver, source));
    start.set_next_seal_ms(std::max(stream.dueMs, stream.record->allocatedMs) + stream.intervalMs);
    if (planned.kind() == proto::SOURCE_FILES) {
      // What came while the stream was down is new.
      start.set_begun_ms(stream.record->restoredMs ? stream.record->zeroMs : stream.record->begunMs), start.set_listed_ms(receiver.listedMs);
      for (const auto& file : stream.record->seenBefore) start.add_seen_files(file.path), start.add_seen_ms(file.whenMs);
      for (const auto& file : source.seenFiles) start.add_seen_files(file.path), start.add_seen_ms(file.whenMs);
    }
  });
}

void dropStale(State& s, App& app, const proto::Stored& stored) {
  Executor* executor = app.executor(stored.executor());
  if (!executor || stored.blocks_size() == 0) return;
  s.send(executor->peer(), messageOf(&proto::Message::mutable_release, [&](proto::Release& release) {
           release.set_app(app.id.value);
           for (const auto& block : stored.blocks()) {
             if (block.has_block()) *release.add_blocks() = block.block();
           }
         }));
}

// What is new in it is journaled and accepted.
void accept(State& s, App& app, Stream& stream, Receiver& receiver, SourceRecord& source, const proto::Stored& stored, bool reliable) {
  std::uint64_t after = 0;
  std::uint64_t end = stored.first_sequence() + std::uint64_t(stored.blocks_size());
  bool first = source.nextSequence == 0 && stored.first_sequence() == 1;
  if (first) source.nextSequence = 1;  // numbers may begin at 0 or at 1
  std::uint64_t from = source.nextSequence;
  // In a session nothing is left out, and it begins with what was not accepted: only a master whose last records did not reach the disk
  // had accepted what is missing.
  if (stored.first_sequence() > from) {
    s.warn(app, "data lost: blocks " + std::to_string(from) + " to " + std::to_string(stored.first_sequence() - 1) + " of source " + std::to_string(stored.node()) +
                    " had been accepted by a master that could not write it down");
    from = stored.first_sequence();
  }
  if (end > from) {
    proto::JournalRecord record;
    auto& accepted = *record.mutable_blocks_accepted();
    accepted.set_app(app.id.value), accepted.set_node(stored.node()), accepted.set_incarnation(stored.incarnation());
    accepted.set_executor(stored.executor()), accepted.set_first_sequence(from);
    accepted.set_after_ms(std::max(receiver.sealedMs, stream.record->resumedMs));
    // Told with the listing's blocks, or later; a little too late does no harm.
    accepted.set_listed_ms(std::max(stored.sealed_ms(), accepted.after_ms() + stream.intervalMs));
    for (auto i = int(from - stored.first_sequence()); i < stored.blocks_size(); ++i) *accepted.add_blocks() = stored.blocks(i);
    after = s.commit(record);
  }
  Executor* executor = app.executor(stored.executor());
  auto reply = messageOf(&proto::Message::mutable_accepted, [&](proto::Accepted& accepted) {
    accepted.set_app(app.id.value), accepted.set_node(stored.node()), accepted.set_incarnation(stored.incarnation());
    accepted.set_sequence(source.nextSequence - 1);
  });
  s.send(executor->peer(), std::move(reply), reliable ? std::max(after, s.journal.last()) : 0);
}

}  // namespace

void openReceivers(State& s, App& app, Stream& stream) {
  if (app.up.empty() || stream.draining || stream.phase != Stream::Phase::kRunning) return;
  for (auto& [node, source] : stream.record->sources) {
    Receiver& receiver = stream.receivers[node];
    receiver.node = node;
    if (receiver.at != kNowhere || receiver.stopped) continue;
    receiver.at = leastLoaded(app, stream.plan->view.node(node).source().preferred_host());
    if (receiver.listedMs == 0) receiver.listedMs = listedBefore(*stream.record);
    receiver.sealedMs = std::max(receiver.sealedMs, stream.dueMs);
    Executor& executor = *app.executors[receiver.at];
    proto::JournalRecord record;
    auto& opened = *record.mutable_receiver_opened();
    opened.set_app(app.id.value), opened.set_node(node), opened.set_incarnation(source.incarnation + 1), opened.set_executor(executor.id.value);
    std::uint64_t sequence = s.commit(record);
    auto start = startOf(s, app, stream, receiver, source);
    receiver.start = start;
    installStream(s, app, executor, stream);
    s.send(executor.peer(), std::move(start), sequence);
    tellReceiver(s, app, stream, receiver, proto::StreamEvent::RECEIVER_STARTED);
  }
}

void closeReceivers(State& s, App& app, Stream& stream, bool drain) {
  if (!stream.record) return;
  for (auto& [node, receiver] : stream.receivers) {
    if (receiver.closing || receiver.stopped) continue;
    receiver.closing = true;
    if (!app.isUp(receiver.at)) {
      receiver.stopped = true;
      continue;  // that it stopped was told when its executor was lost
    }
    auto source = stream.record->sources.find(node);
    s.send(app.executors[receiver.at]->peer(), messageOf(&proto::Message::mutable_close_receiver, [&](proto::CloseReceiver& close) {
             close.set_app(app.id.value), close.set_node(node), close.set_drain(drain);
             if (source != stream.record->sources.end()) close.set_incarnation(source->second.incarnation);
           }));
  }
}

void takeStored(State& s, App& app, const proto::Stored& stored) {
  for (auto& [number, stream] : app.streams) {
    if (!stream->record) continue;
    auto source = stream->record->sources.find(stored.node());
    auto receiver = stream->receivers.find(stored.node());
    if (source == stream->record->sources.end() || receiver == stream->receivers.end()) continue;
    if (stored.incarnation() != source->second.incarnation || stored.executor() != source->second.executor) break;
    if (!stored.error().empty()) {
      s.warn(app, "receiver of source " + std::to_string(stored.node()) + ": " + stored.error());
      tellReceiver(s, app, *stream, receiver->second, proto::StreamEvent::RECEIVER_ERROR, stored.error());
    }
    bool reliable = stream->plan->view.node(stored.node()).source().reliable();
    if (stored.blocks_size()) accept(s, app, *stream, receiver->second, source->second, stored, reliable);
    receiver->second.sealedMs = std::max(receiver->second.sealedMs, stored.sealed_ms());
    receiver->second.listedMs = std::max(receiver->second.listedMs, stored.sealed_ms());
    if (stored.stopped() && !std::exchange(receiver->second.stopped, true)) {
      tellReceiver(s, app, *stream, receiver->second, proto::StreamEvent::RECEIVER_STOPPED, stored.error());
    }
    return pump(s, app, *stream);
  }
  dropStale(s, app, stored);
}

void takeUpReceiver(State& s, App& app, Executor& executor, const proto::Stored& stored) {
  for (auto& [number, stream] : app.streams) {
    if (!stream->record) continue;
    auto source = stream->record->sources.find(stored.node());
    if (source == stream->record->sources.end() || source->second.incarnation != stored.incarnation() || source->second.executor != executor.id.value) continue;
    Receiver& receiver = stream->receivers[stored.node()];
    if (receiver.at != kNowhere) return;
    receiver.node = stored.node(), receiver.at = executor.index;
    receiver.start = startOf(s, app, *stream, receiver, source->second);
    bool over = stream->draining || stream->phase == Stream::Phase::kStopping;  // before anybody could tell it
    receiver.closing = receiver.stopped = false;
    if (over) closeReceivers(s, app, *stream, stream->draining);
    return;
  }
  s.send(executor.peer(), messageOf(&proto::Message::mutable_close_receiver, [&](proto::CloseReceiver& close) {
           close.set_app(app.id.value), close.set_node(stored.node()), close.set_incarnation(stored.incarnation());
         }));
}

void loseReceivers(State& s, App& app, Stream& stream, std::uint32_t executor) {
  for (auto& [node, receiver] : stream.receivers) {
    if (receiver.at != executor) continue;
    tellReceiver(s, app, stream, receiver, proto::StreamEvent::RECEIVER_STOPPED, "its executor is gone");
    receiver.at = kNowhere, receiver.start = nullptr;
    if (receiver.closing) receiver.stopped = true;
  }
  if (stream.record && !stream.record->ended) openReceivers(s, app, stream);
}

void resendReceivers(State& s, App& app, Stream& stream, std::uint32_t executor) {
  for (auto& [node, receiver] : stream.receivers) {
    if (receiver.at != executor || !receiver.start || receiver.stopped) continue;
    installStream(s, app, *app.executors[executor], stream);
    s.resend(app.executors[executor]->peer(), receiver.start, s.journal.last());
    tellRate(s, app, stream, receiver);
    if (!receiver.closing) continue;
    receiver.closing = false;  // said again
    closeReceivers(s, app, stream, stream.draining);
  }
}

bool sealed(const Stream& stream, std::int64_t whenMs) {
  return std::all_of(stream.receivers.begin(), stream.receivers.end(), [&](const auto& entry) {
    const Receiver& receiver = entry.second;
    return receiver.at == kNowhere || receiver.stopped || receiver.sealedMs >= whenMs;
  });
}

bool allStopped(const Stream& stream) {
  return std::all_of(stream.receivers.begin(), stream.receivers.end(),
                     [](const auto& entry) { return entry.second.stopped || entry.second.at == kNowhere; });
}

bool anyWaiting(const Stream& stream) {
  return std::any_of(stream.record->sources.begin(), stream.record->sources.end(),
                     [](const auto& entry) { return !entry.second.waiting.empty(); });
}

}  // namespace sluice::master
