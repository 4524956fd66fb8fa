#include "worker/executor/receivers.h"

#include <algorithm>
#include <exception>
#include <utility>

#include "common/thrown.h"
#include "sluice/error.h"
#include "worker/executor/path_filter.h"
#include "worker/executor/place.h"

namespace sluice::executor {

namespace {
constexpr std::size_t kLeastWaitingBytes = 8 << 20;
}  // namespace

Receivers::~Receivers() {
  for (auto& [node, source] : sources_) {
    if (source->host) source->host->stop();
  }
}

Receivers::SourcePtr Receivers::find(std::uint32_t node, std::uint64_t incarnation) const {
  auto it = sources_.find(node);
  return it == sources_.end() || it->second->incarnation != incarnation ? nullptr : it->second;
}

// ---- starting and ending ----

void Receivers::onStart(const proto::StartReceiver& start, const Templates& templates) {
  if (auto it = sources_.find(start.node()); it != sources_.end()) {
    if (it->second->incarnation >= start.incarnation()) return;
    if (it->second->host) it->second->host->stop();
    sources_.erase(it);
  }
  auto source = std::make_shared<Source>();
  source->node = start.node(), source->incarnation = start.incarnation();
  source->copiesTo.assign(start.copies_to().begin(), start.copies_to().end());
  source->installed = templates.newest(start.template_hash());
  source->sealedMs = 0;
  Duration between = start.source().kind() == proto::SOURCE_FILES ? Milliseconds(start.interval_ms()) : control_.options.blockInterval;
  source->times = std::make_unique<BlockTimes>(start.next_seal_ms(), start.interval_ms(), between, control_.now);
  sources_[start.node()] = source;
  if (start.source().kind() == proto::SOURCE_FILES) {
    startPlanner(*source, start);
  } else {
    startReceiver(source, start);
  }
  armTimer(*source);
}

void Receivers::startPlanner(Source& source, const proto::StartReceiver& start) {
  FilePlannerOptions options;
  options.begunMs = start.begun_ms() ? start.begun_ms() : start.zero_ms();
  options.newFilesOnly = start.source().new_files_only();
  options.intervalMs = start.interval_ms();
  options.rememberMs = start.source().remember_ms();
  options.listedMs = start.listed_ms();
  std::vector<SeenFile> seen;
  for (int i = 0; i < start.seen_files_size(); ++i) {
    seen.push_back({start.seen_files(i), i < start.seen_ms_size() ? start.seen_ms(i) : start.next_seal_ms()});
  }
  source.files = start.source();
  source.intervalMs = start.interval_ms();
  source.planner = std::make_unique<FilePlanner>(options, seen);
}

void Receivers::startReceiver(const SourcePtr& source, const proto::StartReceiver& start) {
  const ReceiverDesc* desc = nullptr;
  try {
    if (!source->installed) throwError(ErrorKind::kInvalidArgument, "its plan is not installed here");
    desc = resolveCode<ReceiverDesc>(control_.runtime.code(), start.source().receiver());
  } catch (const Error& error) {
    tellError(*source, std::string("the receiver cannot be started: ") + error.what());
    return;
  }
  // The receiver's threads may outlive the machine: they know the shell, and `this` only on the strand while the source is there.
  auto post = [this, &effects = control_.effects, weak = std::weak_ptr<Source>(source)](std::function<void(Source&)> event) {
    effects.post([this, weak, event = std::move(event)](Moment now) {
      SourcePtr held = weak.lock();
      if (!held) return;
      control_.now = now;
      event(*held);
      control_.afterEvent();
    });
  };
  ReceiverHost::Events events;
  events.blocksReady = [this, post] { post([this](Source& s) { collect(s, false), tell(s); }); };
  events.restarting = [this, post](std::string why, Duration delay) {
    post([this, why = std::move(why), delay](Source& s) {
      collect(s, true), tell(s);
      tellError(s, "restarted in " + delay.toString() + ": " + why);
      control_.effects.arm({kRestartTimer, s.node, s.incarnation}, control_.now + delay);
    });
  };
  events.reported = [this, post](std::string error) {
    post([this, error = std::move(error)](Source& s) { tellError(s, error); });
  };
  events.ended = [this, post] { post([this](Source& s) { end(s); }); };
  std::size_t most = std::max<std::size_t>(control_.options.memoryBytes / 8, kLeastWaitingBytes);
  ReceiverHost::Facts facts{0, std::max(start.source().copies(), 1u)};
  for (const auto& node : source->installed->plan->view.plan().nodes()) {  // numbered as the master does
    if (node.id() == source->node) break;
    facts.streamId += node.kind() == proto::NODE_SOURCE && node.slide_ms() != 0;
  }
  source->host = std::make_shared<ReceiverHost>(std::move(events), most, control_.options.receiverRestartDelay,
                                                limited(start.records_per_second()), facts);
  control_.effects.startThread([host = source->host, desc, installed = source->installed, node = source->node] {
    const proto::Node& planned = installed->plan->view.node(node);
    currentPlace().in = {planned.name().c_str(), planned.site().c_str(), node};
    std::string_view captures = installed->capturesOf(node);
    host->run([&] { return std::unique_ptr<ReceiverBase>(desc->make(captures.data(), captures.size())); });
    currentPlace() = {};
  });
}

void Receivers::onRate(const proto::ReceiverRate& rate) {
  SourcePtr source = find(rate.node(), rate.incarnation());
  if (source && source->host) source->host->setRate(limited(rate.records_per_second()));
}

// The master's word, within the settings of this executor.
double Receivers::limited(double recordsPerSecond) const {
  const double most = control_.options.receiverMaxRate;
  return recordsPerSecond > 0 && most > 0 ? std::min(recordsPerSecond, most) : std::max({recordsPerSecond, most, 0.0});
}

void Receivers::onClose(const proto::CloseReceiver& close) {
  SourcePtr source = find(close.node(), close.incarnation());
  if (!source) return;
  if (source->stopped) return tell(*source);
  source->closing = true;
  source->drain = close.drain();
  if (source->host) source->host->stop();
  else end(*source);
}

// The receiver's thread is over (or a planner was closed): what it left is told, then that it has stopped.
void Receivers::end(Source& source) {
  source.ended = true;
  if (source.closing && !source.drain) {
    while (!source.pending.empty() && !source.pending.back().second.told) source.pending.pop_back();
  } else {
    collect(source, true);
  }
  control_.effects.disarm({kReceiverTimer, source.node, source.incarnation});
  tell(source);
}

// ---- time ----

void Receivers::armTimer(const Source& source) {
  control_.effects.arm({kReceiverTimer, source.node, source.incarnation}, source.times->next());
}

void Receivers::onTimer(TimerName timer) {
  SourcePtr source = find(std::uint32_t(timer.a), timer.b);
  if (!source) return;
  if (timer.kind == kRestartTimer) {
    if (source->host) source->host->resume();
    return;
  }
  if (source->ended) return;
  BlockTimes::Due due = source->times->at(control_.now);
  armTimer(*source);
  if (source->planner) {
    if (due.sealedMs != 0 && !source->listing) list(source, due.sealedMs);
    return;
  }
  if (due.cut) collect(*source, true);
  if (due.sealedMs != 0) source->seals.emplace_back(source->nextSequence - 1, due.sealedMs);
  tell(*source);
}

// ---- blocks ----

void Receivers::collect(Source& source, bool all) {
  if (!source.host) return;
  for (CutBlock& block : source.host->take(all)) storeBlock(source, std::move(block));
}

void Receivers::storeBlock(Source& source, CutBlock block) {
  BlockId id{source.node, source.incarnation, source.nextSequence++};
  Pending pending;
  proto::Input::BlockRef& ref = *pending.input.mutable_block();
  ref.set_source(id.source), ref.set_incarnation(id.incarnation), ref.set_sequence(id.sequence);
  pending.input.set_records(block.rows), pending.input.set_bytes(block.bytes.size()), pending.input.set_text(block.text);
  pending.input.add_holders(control_.options.executor.value);
  Bytes bytes = Bytes::of(std::move(block.bytes));
  for (std::uint64_t executor : source.copiesTo) {
    if (!peers_.contains(executor)) continue;
    auto [envelope, copy] = compose(&proto::Message::mutable_copy_block);
    copy->set_app(control_.options.app.value);
    *copy->mutable_input() = pending.input;
    envelope->attachments.push_back(bytes);
    control_.send({Role::kExecutor, executor}, std::move(envelope));
    pending.copying.insert(executor);
  }
  auto rows = std::make_shared<Rows>();
  rows->add({control_.store().put(ObjectKind::kBlock, std::move(bytes), block.rows)});
  values_.addBlock(id, std::move(rows), block.text);
  source.pending.emplace_back(id.sequence, std::move(pending));
}

void Receivers::onCopyBlock(Peer from, const EnvelopePtr& envelope) {
  const proto::Input& input = envelope->message.copy_block().input();
  auto rows = std::make_shared<Rows>();
  for (const Bytes& bytes : envelope->attachments) rows->add({control_.store().put(ObjectKind::kBlock, bytes, input.records())});
  values_.addBlock(BlockId::of(input.block()), std::move(rows), input.text());
  auto [reply, copied] = compose(&proto::Message::mutable_block_copied);
  copied->set_app(control_.options.app.value), copied->set_executor(control_.options.executor.value);
  *copied->mutable_block() = input.block();
  control_.send(from, std::move(reply));
}

void Receivers::onBlockCopied(const proto::BlockCopied& copied) {
  SourcePtr source = find(copied.block().source(), copied.block().incarnation());
  if (!source) return;
  for (auto& [sequence, pending] : source->pending) {
    if (sequence != copied.block().sequence()) continue;
    if (pending.copying.erase(copied.executor()) != 0 && copied.error().empty()) pending.input.add_holders(copied.executor());
  }
  tell(*source);
}

void Receivers::onPeer(std::uint64_t executor, bool up) {
  if (up) {
    peers_.insert(executor);
    return;
  }
  peers_.erase(executor);
  for (auto& [node, source] : sources_) {
    for (auto& [sequence, pending] : source->pending) pending.copying.erase(executor);
    tell(*source);
  }
}

void Receivers::onAccepted(const proto::Accepted& accepted) {
  SourcePtr source = find(accepted.node(), accepted.incarnation());
  if (!source) return;
  std::uint64_t bytes = 0;
  while (!source->pending.empty() && source->pending.front().first <= accepted.sequence() && source->pending.front().second.told) {
    bytes += source->pending.front().second.input.bytes();
    source->pending.pop_front();
  }
  if (source->host) source->host->accepted(accepted.sequence(), bytes);
}

// ---- files ----

namespace {

// On the thread that may wait for disks. A function of the application that throws leaves the listing for the next batch.
void listWanted(const proto::Source& files, const Installed* installed, std::uint32_t node, Listing& listing) {
  const proto::Node* planned = installed ? &installed->plan->view.node(node) : nullptr;
  bool filters = planned && planned->has_op();
  listing = listFiles(files.directory(), filters);
  if (!filters) return;
  Place outer = std::exchange(currentPlace(), {{planned->name().c_str(), planned->site().c_str(), node}});
  auto failed = [&](std::string_view what) {
    listing.failed = true;
    listing.warning = planned->name() + " at " + planned->site() + ": the filter threw: " + std::string(what) + "; the directory is looked at again for the next batch";
  };
  try {
    listing.files = filterFiles(*installed->plan->codeOf(node).op, installed->capturesOf(node), std::move(listing.files));
  } catch (const std::exception& error) {
    failed(wordsOf(error));
  } catch (...) {
    failed("something that is no std::exception");
  }
  currentPlace() = outer;
}

}  // namespace

void Receivers::list(const SourcePtr& source, std::int64_t batchMs) {
  source->listing = true;
  auto listing = std::make_shared<Listing>();
  Moment began = control_.now;
  control_.background([listing, files = source->files, installed = source->installed, node = source->node] {
                        listWanted(files, installed.get(), node, *listing);
                      },
                      [this, weak = std::weak_ptr<Source>(source), listing, batchMs, began] {
                        if (SourcePtr held = weak.lock()) {
                          listed(*held, batchMs, std::move(*listing), (control_.now.us - began.us) / 1000);
                        }
                      });
}

void Receivers::listed(Source& source, std::int64_t batchMs, Listing listing, std::int64_t tookMs) {
  source.listing = false;
  if (source.ended) return;
  std::string warning = std::move(listing.warning);
  if (warning.empty() && tookMs > source.intervalMs) {
    warning = "listing " + source.files.directory() + " takes longer than the batch interval of " + std::to_string(source.intervalMs) +
              " ms; move old files out of it";
  }
  if (!warning.empty() && warning != source.lastWarning) tellError(source, warning);
  source.lastWarning = std::move(warning);
  if (!listing.failed) {
    for (const FileFacts& file : source.planner->select(listing.files, batchMs)) {
      for (proto::Input& input : inputsOf(file, source.files)) {
        source.pending.emplace_back(source.nextSequence++, Pending{std::move(input), {}, false});
      }
    }
  }
  source.seals.emplace_back(source.nextSequence - 1, batchMs);
  tell(source);
}

// ---- telling the master ----

proto::Stored* Receivers::newStored(const Source& source, std::shared_ptr<Envelope>& envelope) const {
  auto [fresh, stored] = compose(&proto::Message::mutable_stored);
  envelope = std::move(fresh);
  stored->set_app(control_.options.app.value), stored->set_node(source.node), stored->set_incarnation(source.incarnation);
  stored->set_executor(control_.options.executor.value);
  return stored;
}

void Receivers::tellError(const Source& source, const std::string& error) {
  std::shared_ptr<Envelope> envelope;
  newStored(source, envelope)->set_error(error);
  control_.send(kMasterPeer, std::move(envelope));
}

// Blocks that have all their copies, as far as there is no hole, and grid times before which nothing is left to tell.
void Receivers::tell(Source& source) {
  std::shared_ptr<Envelope> envelope;
  proto::Stored* stored = nullptr;
  std::uint64_t told = source.nextSequence - 1;
  for (auto& [sequence, pending] : source.pending) {
    if (!pending.told && !pending.copying.empty()) {
      told = sequence - 1;
      break;
    }
    if (std::exchange(pending.told, true)) continue;
    if (!stored) {
      stored = newStored(source, envelope);
      stored->set_first_sequence(sequence);
    }
    *stored->add_blocks() = pending.input;
  }
  std::int64_t sealed = 0;
  while (!source.seals.empty() && source.seals.front().first <= told) {
    sealed = source.seals.front().second;
    source.seals.pop_front();
  }
  source.stopped |= source.ended && told == source.nextSequence - 1;
  if (sealed == 0 && !source.stopped && !stored) return;
  if (!stored) stored = newStored(source, envelope);
  if (sealed != 0) source.sealedMs = sealed;
  stored->set_sealed_ms(source.sealedMs);
  stored->set_stopped(source.stopped);
  control_.send(kMasterPeer, std::move(envelope));
}

void Receivers::report(proto::Report& report) const {
  for (const auto& [node, source] : sources_) {
    std::shared_ptr<Envelope> envelope;
    proto::Stored& stored = *report.add_receivers();
    stored = std::move(*newStored(*source, envelope));
    for (const auto& [sequence, pending] : source->pending) {
      if (!pending.told) break;
      if (stored.blocks_size() == 0) stored.set_first_sequence(sequence);
      *stored.add_blocks() = pending.input;
    }
    stored.set_sealed_ms(source->sealedMs);
    stored.set_stopped(source->stopped);
  }
}

}  // namespace sluice::executor
