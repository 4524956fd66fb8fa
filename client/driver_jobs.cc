// The driver's end of the protocol: jobs, and their results.
#include <algorithm>
#include <chrono>
#include <utility>

#include "client/driver.h"
#include "common/taken.h"
#include "common/thrown.h"

namespace sluice {
namespace {

constexpr std::size_t kSentTemplatesKnown = 4096;
constexpr std::size_t kGoneRemembered = 64;
constexpr int kTriesForResults = 3;

ErrorKind kindOf(proto::Domain domain) {
  switch (domain) {
    case proto::DOMAIN_USER: return ErrorKind::kUserCode;
    case proto::DOMAIN_LOST: return ErrorKind::kLost;
    case proto::DOMAIN_CANCELLED: return ErrorKind::kCancelled;
    default: return ErrorKind::kUnavailable;
  }
}

// As the master says it.
std::string cancelledText(std::uint64_t number, const std::string& by) { return "job " + std::to_string(number) + " was cancelled by " + by; }

}  // namespace

EnvelopePtr Driver::runJobMessage(std::uint64_t number, const PendingJob& pending, bool withPlan) {
  const Job& job = *pending.job;
  auto [envelope, run] = compose(&proto::Message::mutable_run_job);
  run->set_app(app_), run->set_number(number), run->set_stream(job.stream);
  run->set_template_hash(job.plan.plan->template_hash());
  if (withPlan) {
    *run->mutable_plan() = *job.plan.plan;
    if (sentTemplates_.size() >= kSentTemplatesKnown) sentTemplates_.clear();  // they are sent once more
    sentTemplates_.insert(job.plan.plan->template_hash());
  }
  *run->mutable_captures() = job.plan.captures;
  for (auto partition : job.partitions) run->add_partitions(partition);
  run->set_description(job.description), run->set_batch_ms(job.batchMs);
  addProperties(job.properties, *run->mutable_properties());
  for (auto [node, id] : job.plan.exchanges) run->add_exchange_nodes(node), run->add_exchange_ids(id);
  for (std::uint32_t node : pending.gone) run->add_gone(node);
  return envelope;
}

EnvelopePtr Driver::cancelMessage(std::uint64_t number, const std::string& by) const {
  auto [envelope, cancel] = compose(&proto::Message::mutable_cancel_job);
  cancel->set_app(app_), cancel->set_number(number), cancel->set_by(by);
  return envelope;
}

void Driver::cancelJobs(const std::function<bool(std::uint64_t, const Job&)>& which, const std::string& by) {
  Outgoing out;
  {
    std::lock_guard lock(mutex_);
    for (auto& [number, job] : jobs_) {
      if (job->done() || !job->cancelledBy.empty() || !which(number, *job->job)) continue;
      job->cancelledBy = by;
      if (session_) out.messages.emplace_back(kMasterPeer, cancelMessage(number, by));  // else with the next one
    }
  }
  send(out);
}

Driver::Results Driver::runJob(const Job& job) {
  for (int tries = 1;; ++tries) {
    bool again = false;
    Results results = runOnce(job, again);
    if (!again) return results;
    if (tries == kTriesForResults) {
      throwError(ErrorKind::kLost, job.description + ": its results were lost with their executors " + std::to_string(tries) + " times");
    }
  }
}

Driver::Results Driver::runOnce(const Job& job, bool& again) {
  Call call(*this);
  tellGone();
  PendingJob pending;
  pending.job = &job;
  std::unique_lock lock(mutex_);
  checkAlive();
  std::uint64_t number = ++lastJob_;
  if (std::string by = job.observer ? job.observer->began(number) : ""; !by.empty()) throwError(ErrorKind::kCancelled, job.description + ": " + cancelledText(number, by));
  jobs_[number] = &pending;
  {
    std::lock_guard inner(exchangesMutex_);
    for (auto [node, id] : job.plan.exchanges) lasting_.insert(id);
    pending.gone.swap(goneExchanges_);
  }
  board_.began(number, job.properties);
  if (console_) pending.begunMs = steadyMs();
  EnvelopePtr message;
  if (session_) message = runJobMessage(number, pending, !sentTemplates_.contains(job.plan.plan->template_hash()));
  lock.unlock();
  if (message) backend_->link().send(kMasterPeer, std::move(message));
  lock.lock();
  try {
    wait(lock, Lent::toJob(number), [&] { return pending.done() || !failed_.empty() || closing_; });
  } catch (...) {  // a simulation that does not end: nobody may find what goes with this frame
    if (!lock.owns_lock()) lock.lock();
    jobs_.erase(number);
    throw;
  }
  jobs_.erase(number);
  dropFetches(*pending.gathering);
  if (pending.failed || !pending.gathering->whole()) board_.ended(number, false, {});
  if (pending.held && session_) {
    auto over = cancelMessage(number, "");
    lock.unlock();
    backend_->link().send(kMasterPeer, std::move(over));
    lock.lock();
  }
  if (closing_ && (pending.failed || !pending.done()) && failed_.empty()) {
    throwError(ErrorKind::kCancelled, job.description + ": " + cancelledText(number, kByItsEnd));
  }
  if (!pending.done()) checkAlive();
  if (pending.failed) throw pending.error;
  again = pending.gathering->gone;
  return std::move(pending.gathering->results);
}

bool Driver::partOf(std::uint64_t number, Results& results) {
  Call call(*this);
  std::unique_lock lock(mutex_);
  checkAlive();
  if (!jobs_.contains(number)) return false;
  std::uint64_t request = ++lastRequest_;
  auto gathering = parts_.emplace(request, PendingPart{number}).first->second.gathering;
  gathering->number = number;
  EnvelopePtr message = session_ ? askPartMessage(request, number) : nullptr;
  lock.unlock();
  if (message) backend_->link().send(kMasterPeer, std::move(message));
  lock.lock();
  // Not by the backend's waiter: this thread has to be back in time, and would run a task meanwhile.
  changed_.wait(lock, [&] { return gathering->whole() || !jobs_.contains(number) || !failed_.empty() || closing_; });
  parts_.erase(request);
  dropFetches(*gathering);
  if (!gathering->whole()) return false;
  // What was lost with its executor while it was fetched is not there.
  std::erase_if(gathering->results.parts, [](const Part& part) { return part.rows > 0 && part.bytes.size() == 0; });
  results = std::move(gathering->results);
  return true;
}

EnvelopePtr Driver::askPartMessage(std::uint64_t request, std::uint64_t number) const {
  auto [envelope, ask] = compose(&proto::Message::mutable_ask_part);
  ask->set_app(app_), ask->set_number(number), ask->set_request(request);
  return envelope;
}

template <class ResultList>
void Driver::gather(const std::shared_ptr<Gathering>& into, const ResultList& results, const Envelope& envelope) {
  into->told = true;
  for (const auto& result : results) {
    Part& part = into->results.parts.emplace_back();
    part.partition = result.partition(), part.rows = result.rows();
    if (result.rows() == 0) continue;
    if (result.attachment() >= 0) {
      part.bytes = envelope.attachments[std::size_t(result.attachment())];
      continue;
    }
    ++into->missing;
    Fetch fetch;
    fetch.into = into, fetch.request = ++lastRequest_, fetch.executor = result.executor();
    fetch.part = into->results.parts.size() - 1, fetch.result = result;
    fetches_[fetch.request] = std::move(fetch);
  }
}

void Driver::dropFetches(const Gathering& of) {
  std::erase_if(fetches_, [&](const auto& entry) { return entry.second.into.get() == &of; });
}

void Driver::onJobPart(const EnvelopePtr& envelope, Outgoing& out) {
  const auto& answer = envelope->message.job_part();
  auto it = parts_.find(answer.request());
  if (it == parts_.end() || it->second.gathering->told) return;
  it->second.gathering->results.partitions = answer.partitions();
  gather(it->second.gathering, answer.results(), *envelope);
  if (it->second.gathering->missing > 0) sendFetches(out);
}

void Driver::onJobDone(const EnvelopePtr& envelope, Outgoing& out) {
  const auto& answer = envelope->message.job_done();
  auto it = jobs_.find(answer.number());
  if (it == jobs_.end() || it->second->failed || it->second->gathering->told) return;
  PendingJob& job = *it->second;
  bus_.answered(answer.number(), "");
  std::uint64_t bytes = 0;
  for (const auto& result : answer.results()) {
    bytes += result.attachment() >= 0 && result.rows() > 0 ? envelope->attachments.at(std::size_t(result.attachment())).size() : result.bytes();
  }
  if (maxResultBytes_ != 0 && bytes > maxResultBytes_) {
    job.failed = true;
    job.error = Error(ErrorKind::kInvalidArgument, job.job->description + ": the results are " + std::to_string(bytes) +
                                                       " bytes, more than sluice.driver.maxResultSize (" + std::to_string(maxResultBytes_) +
                                                       "); take fewer, save them to files, or raise it");
    return;
  }
  lastJobMicroseconds_ = answer.processing_us();
  board_.ended(answer.number(), true, answer.stages());
  job.gathering->number = answer.number();
  job.gathering->results.partitions = answer.partitions();
  job.gathering->results.updates.assign(answer.updates().begin(), answer.updates().end());
  gather(job.gathering, answer.results(), *envelope);
  job.held = job.gathering->missing > 0;
  if (job.held) sendFetches(out);
}

void Driver::onJobFailed(const proto::JobFailed& failed, Outgoing& out) {
  auto it = jobs_.find(failed.number());
  if (it == jobs_.end() || it->second->done() || it->second->gathering->told) return;
  if (failed.retry()) {
    out.messages.emplace_back(kMasterPeer, runJobMessage(failed.number(), *it->second, true));
    return;
  }
  it->second->failed = true;
  board_.ended(failed.number(), false, failed.stages());
  std::string text = withSite(failed.message(), failed.site());
  if (failed.domain() == proto::DOMAIN_CANCELLED) text = it->second->job->description + ": " + text;
  bus_.answered(failed.number(), text);
  it->second->error = Error(kindOf(failed.domain()), text);
}

void Driver::sendFetches(Outgoing& out) {
  for (auto& [request, fetch] : fetches_) {
    if (fetch.sent) continue;
    Peer holder{Role::kExecutor, fetch.executor};
    if (executorSessions_.contains(fetch.executor)) {
      auto [envelope, get] = compose(&proto::Message::mutable_get);
      get->set_app(app_), get->set_request(request);
      *get->mutable_result() = fetch.result;
      get->mutable_instance()->set_app(app_), get->mutable_instance()->set_when_ms(-std::int64_t(fetch.into->number));
      out.messages.emplace_back(holder, std::move(envelope));
      fetch.sent = true;
    } else if (auto member = members_.find(fetch.executor); member != members_.end() && dialled_.insert(fetch.executor).second) {
      out.dials.emplace_back(holder, member->second.address());
    }
  }
}

void Driver::failFetches(std::uint64_t executor) {
  for (auto it = fetches_.begin(); it != fetches_.end();) {
    if (it->second.executor != executor) {
      ++it;
      continue;
    }
    it->second.into->gone = true, --it->second.into->missing;
    it = fetches_.erase(it);
  }
}

// What arrived is taken, whether anybody still wants it or not.
void Driver::tellTaken(Peer from, const Envelope& envelope, Outgoing& out) {
  std::uint64_t& bytes = taken_[from.id];
  for (const auto& piece : envelope.attachments) bytes += piece.size();
  if (bytes < kTakenBytes) return;
  auto [reply, taken] = compose(&proto::Message::mutable_taken);
  taken->set_app(app_), taken->set_bytes(std::exchange(bytes, 0));
  out.messages.emplace_back(from, std::move(reply));
}

void Driver::onGot(Peer from, const EnvelopePtr& envelope, Outgoing& out) {
  const auto& got = envelope->message.got();
  tellTaken(from, *envelope, out);
  auto it = fetches_.find(got.request());
  if (it == fetches_.end()) return;
  Fetch& fetch = it->second;
  Gathering& into = *fetch.into;
  if (!got.present()) {
    into.gone = true, --into.missing;
    fetches_.erase(it);
    return;
  }
  for (const auto& piece : envelope->attachments) fetch.pieces.push_back(piece);
  if (got.more()) return;
  Part& part = into.results.parts[fetch.part];
  if (fetch.pieces.size() == 1) {
    part.bytes = std::move(fetch.pieces[0]);
  } else {
    std::string whole;
    for (const auto& piece : fetch.pieces) whole.append(piece.view());
    part.bytes = Bytes::of(std::move(whole));
  }
  --into.missing;
  fetches_.erase(it);
}

void Driver::cancelStage(std::uint32_t stage, const std::string& by) {
  auto [envelope, cancel] = compose(&proto::Message::mutable_cancel_stage);
  {
    std::lock_guard lock(mutex_);
    checkAlive();
    if (!session_) return;  // it is a wish
    cancel->set_app(app_), cancel->set_stage(stage), cancel->set_by(by);
  }
  backend_->link().send(kMasterPeer, std::move(envelope));
}

EnvelopePtr Driver::killTaskMessage(std::uint64_t request, const PendingKill& pending) const {
  auto [envelope, kill] = compose(&proto::Message::mutable_kill_task);
  kill->set_app(app_), kill->set_request(request), kill->set_task(pending.task), kill->set_by(pending.by);
  return envelope;
}

bool Driver::killTask(std::uint64_t task, const std::string& by) {
  Call call(*this);
  std::unique_lock lock(mutex_);
  checkAlive();
  std::uint64_t request = ++lastRequest_;
  PendingKill& kill = kills_[request] = {task, by};
  EnvelopePtr message = session_ ? killTaskMessage(request, kill) : nullptr;
  lock.unlock();
  if (message) backend_->link().send(kMasterPeer, std::move(message));
  lock.lock();
  wait(lock, Lent::toNone(), [&] { return kill.told || !failed_.empty() || closing_; });
  bool found = kill.found;
  kills_.erase(request);
  checkAlive();
  return found;
}

// ---- How they get on ----

EnvelopePtr Driver::watchMessage(bool on) const {
  auto [envelope, watch] = compose(&proto::Message::mutable_watch);
  watch->set_app(app_), watch->set_on(on);
  return envelope;
}

EnvelopePtr Driver::listenMessage(bool on) const {
  auto [envelope, listen] = compose(&proto::Message::mutable_listen);
  listen->set_app(app_), listen->set_on(on);
  return envelope;
}

void Driver::listen(bool on) {
  EnvelopePtr message;
  {
    std::lock_guard lock(mutex_);
    if (std::exchange(listening_, on) != on && session_ && !closing_) message = listenMessage(on);
  }
  if (message) backend_->link().send(kMasterPeer, std::move(message));
}

void Driver::watch() {
  Call call(*this);
  std::unique_lock lock(mutex_);
  checkAlive();
  EnvelopePtr message = !std::exchange(watching_, true) && session_ ? watchMessage(true) : nullptr;
  lock.unlock();
  if (message) backend_->link().send(kMasterPeer, std::move(message));
  lock.lock();
  wait(lock, Lent::toNone(), [&] { return board_.told() || !failed_.empty() || closing_; });
  checkAlive();
}

void Driver::watchForConsole(bool on) {
  EnvelopePtr message;
  {
    std::lock_guard lock(mutex_);
    if (std::exchange(watchingForConsole_, on) != on && !watching_ && session_ && !closing_) message = watchMessage(on);
  }
  if (message) backend_->link().send(kMasterPeer, std::move(message));
}

std::int64_t Driver::steadyMs() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

std::int64_t Driver::longestRunMs() {
  std::lock_guard lock(mutex_);
  std::int64_t since = -1;
  for (const auto& [number, job] : jobs_) {
    if (since < 0 || job->begunMs < since) since = job->begunMs;
  }
  for (const auto& [id, stream] : streams_) {
    if (stream.started && !stream.stopped && stream.answer.error().empty() && (since < 0 || stream.begunMs < since)) since = stream.begunMs;
  }
  return since < 0 ? -1 : steadyMs() - since;
}

void Driver::showProgress() {
  console_ = ConsoleProgress::onTerminal({[this] { return longestRunMs(); }, [this](bool on) { watchForConsole(on); },
                                          [this](std::int64_t atLeastMs) { return board_.activeStages(steadyMs(), atLeastMs); }});
}

void Driver::forgetExchange(std::uint32_t node) {
  std::lock_guard lock(exchangesMutex_);
  if (lasting_.erase(node) != 0) goneExchanges_.push_back(node);
}

void Driver::forgetKept(std::uint32_t node) {
  std::lock_guard lock(exchangesMutex_);
  goneKept_.push_back(node);
}

void Driver::unpersist(std::uint32_t node) {
  forgetKept(node);
  tellGone();
}

void Driver::tellGone() {
  auto [envelope, unpersist] = compose(&proto::Message::mutable_unpersist);
  {
    std::lock_guard lock(mutex_);
    if (!session_ || closing_) return;
    std::lock_guard inner(exchangesMutex_);
    if (goneKept_.empty()) return;
    unpersist->set_app(app_);
    unpersist->mutable_nodes()->Add(goneKept_.begin(), goneKept_.end());
    goneKeptBefore_.insert(goneKeptBefore_.end(), goneKept_.begin(), goneKept_.end());
    while (goneKeptBefore_.size() > kGoneRemembered) goneKeptBefore_.pop_front();
    goneKept_.clear();
  }
  backend_->link().send(kMasterPeer, std::move(envelope));
}

}  // namespace sluice
