#include "master/marks.h"

#include <algorithm>

#include "absl/container/flat_hash_set.h"

namespace sluice::master {
namespace {

constexpr std::uint32_t kTellEvery = 8;
constexpr std::int64_t kRememberedFor = 64;  // batches
constexpr std::uint32_t kNoNode = 0;         // has a mark, too: of what no node's mark lets go (PlanView::markedNode)

absl::flat_hash_set<std::uint32_t> nodesRetained(const Stream& stream) {
  absl::flat_hash_set<std::uint32_t> nodes;
  for (const auto& entry : stream.record->retained) nodes.insert(entry.node);
  return nodes;
}

// What a checkpoint is being written of is not let go.
std::int64_t heldBelow(const Stream& stream, std::uint32_t node, std::int64_t belowMs) {
  auto held = stream.checkpoint.holds.find(node);
  return held == stream.checkpoint.holds.end() ? belowMs : std::min(belowMs, held->second);
}

// Nodes that were made for one batch are in no later plan. What they left is needed as long as that batch may be made again.
void raiseMarksOfGone(Stream& stream) {
  auto present = nodesRetained(stream);
  for (auto& [node, below] : stream.marks) {
    if (present.contains(node)) continue;
    std::int64_t lowest = heldBelow(stream, node, stream.lowestMs);
    if (below >= lowest) continue;
    below = lowest;
    stream.marksRisen.insert(node);
  }
}

// Executors that may have missed what they were told hear it again for a while.
void forgetMarksOfGone(Stream& stream) {
  auto present = nodesRetained(stream);
  absl::erase_if(stream.marks, [&](const auto& entry) {
    auto last = stream.markedAt.find(entry.first);
    bool needed = present.contains(entry.first) || last == stream.markedAt.end() || entry.second <= last->second + kRememberedFor * stream.intervalMs;
    if (!needed) stream.markedAt.erase(last);
    return !needed;
  });
}

}  // namespace

void tellOver(const Stream& stream, proto::Release& release) {
  release.set_stream(stream.number), release.set_over_below_ms(stream.overBelowMs);
}

void queueMarks(Stream& stream, std::uint64_t sequence) {
  const StreamRecord& record = *stream.record;
  std::int64_t lowestMs = record.batches.empty() ? record.publishedMs + 1 : std::min(record.batches.begin()->first, record.publishedMs + 1);
  stream.marksToCome.push_back({sequence, record.publishedMs, lowestMs, record.retained});
}

void raiseMarks(State& s, App& app, Stream& stream) {
  if (app.repairs()) return;
  bool rose = false;
  while (!stream.marksToCome.empty() && stream.marksToCome.front().sequence <= s.synced) {
    const auto& to = stream.marksToCome.front();
    if (to.publishedMs + 1 > stream.overBelowMs) stream.overBelowMs = to.publishedMs + 1, rose = true;
    stream.lowestMs = std::max(stream.lowestMs, to.lowestMs);
    for (const auto& entry : to.retained) {
      std::int64_t below = heldBelow(stream, entry.node, entry.askMs);
      auto& mark = stream.marks[entry.node];
      if (below > mark) mark = below, rose = true, stream.marksRisen.insert(entry.node);
      stream.markedAt[entry.node] = to.publishedMs;
    }
    stream.marksToCome.pop_front();
  }
  if (!rose) return;
  const bool tells = ++stream.marksUntold >= kTellEvery || stream.draining;
  stream.marks.try_emplace(kNoNode);
  if (tells) raiseMarksOfGone(stream);
  std::erase_if(stream.panesGivenUp, [&](const auto& pane) {
    auto mark = stream.marks.find(pane.first);
    return mark != stream.marks.end() && pane.second < mark->second;
  });
  app.values.release(stream.marks);
  absl::erase_if(stream.facts->sources, [&](const auto& entry) {
    auto mark = stream.marks.find(entry.first.first);
    return mark != stream.marks.end() && entry.first.second < mark->second;
  });
  for (auto batch = stream.blocks.begin(); batch != stream.blocks.end();) {
    std::erase_if(batch->second, [&](const proto::Input& input) {
      auto mark = stream.marks.find(std::uint32_t(input.block().source()));
      if (mark == stream.marks.end() || batch->first >= mark->second) return false;
      for (std::uint64_t holder : input.holders()) {
        if (Executor* executor = app.executor(holder); executor && app.isUp(executor->index)) stream.freed[executor->index].push_back(input.block());
      }
      return true;
    });
    batch = batch->second.empty() ? stream.blocks.erase(batch) : std::next(batch);
  }
  if (!tells) return;
  stream.marksUntold = 0;
  for (std::uint32_t index : app.up) {
    s.send(app.executors[index]->peer(), messageOf(&proto::Message::mutable_release, [&](proto::Release& release) {
             release.set_app(app.id.value);
             tellOver(stream, release);
             for (std::uint32_t node : stream.marksRisen) {
               auto* mark = release.add_marks();
               mark->set_node(node), mark->set_below_ms(stream.marks[node]);
             }
             for (const auto& block : stream.freed[index]) *release.add_blocks() = block;
           }));
  }
  stream.freed.clear(), stream.marksRisen.clear();
  forgetMarksOfGone(stream);
}

}  // namespace sluice::master
