#include "client/driver.h"

#include <xxhash.h>

#include <algorithm>
#include <chrono>
#include <utility>

namespace sluice {
namespace {

constexpr std::size_t kSharePiece = 1 << 20;
constexpr std::int64_t kGoodbyeMs = 5000;
constexpr std::size_t kOutputsRemembered = 1000;
constexpr int kTriesForResults = 3;

thread_local bool inFunctionNow = false;

ErrorKind kindOf(proto::Domain domain) {
  switch (domain) {
    case proto::DOMAIN_USER: return ErrorKind::kUserCode;
    case proto::DOMAIN_LOST: return ErrorKind::kLost;
    default: return ErrorKind::kUnavailable;
  }
}

std::string withSite(const std::string& message, const std::string& site) {
  if (site.empty() || message.find(site) != std::string::npos) return message;
  return site + ": " + message;
}

std::string messageOf(std::exception_ptr thrown) {
  try {
    std::rethrow_exception(thrown);
  } catch (const std::exception& e) {
    return e.what();
  } catch (...) {
    return "something that is no std::exception was thrown";
  }
}

}  // namespace

void Backend::print(std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

void FunctionThread::post(std::function<void()> work) {
  std::lock_guard lock(mutex_);
  if (closed_) return;
  queue_.push_back(std::move(work));
  if (!thread_.joinable()) thread_ = std::thread([this] { loop(); });
  woken_.notify_one();
}

void FunctionThread::close() {
  {
    std::lock_guard lock(mutex_);
    closed_ = true;
    queue_.clear();
    woken_.notify_one();
  }
  if (thread_.joinable()) thread_.join();
}

void FunctionThread::loop() {
  std::unique_lock lock(mutex_);
  for (;;) {
    woken_.wait(lock, [&] { return closed_ || !queue_.empty(); });
    if (closed_) return;
    auto work = std::move(queue_.front());
    queue_.pop_front();
    lock.unlock();
    inFunctionNow = true;
    work();
    work = nullptr;
    inFunctionNow = false;
    lock.lock();
  }
}

Driver::Driver(std::unique_ptr<Backend> backend, std::uint64_t maxResultBytes)
    : backend_(std::move(backend)),
      maxResultBytes_(maxResultBytes),
      inline_(backend_->waiter().inlineFunctions()),
      printer_([this](std::string_view text) { backend_->print(text); }) {}

Driver::~Driver() { close(false, ""); }

bool Driver::inFunction() { return inFunctionNow; }

// ---- Waiting ----

void Driver::wait(std::unique_lock<std::mutex>& lock, const std::function<bool()>& ready) {
  auto functionDue = [&] { return inline_ && !inlineRunning_ && !inlineWork_.empty(); };
  for (;;) {
    backend_->waiter().wait(lock, changed_, [&] { return ready() || functionDue(); });
    if (ready()) return;
    auto work = std::move(inlineWork_.front());
    inlineWork_.pop_front();
    inlineRunning_ = true;
    lock.unlock();
    bool outer = std::exchange(inFunctionNow, true);
    work();
    inFunctionNow = outer;
    lock.lock();
    inlineRunning_ = false;
    changed_.notify_all();
  }
}

void Driver::serve(const std::function<bool()>& ready) {
  std::unique_lock lock(mutex_);
  wait(lock, ready);
}

bool Driver::waitAtMost(std::unique_lock<std::mutex>& lock, std::int64_t atMostMs, const std::function<bool()>& ready) {
  bool timeUp = false, over = false;
  std::condition_variable early;
  auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(atMostMs);
  // The waiter may be running tasks, so somebody else must look at the clock.
  std::thread bell([&] {
    std::unique_lock inner(mutex_);
    early.wait_until(inner, end, [&] { return over; });
    timeUp = true;
    changed_.notify_all();
  });
  wait(lock, [&] { return timeUp || ready(); });
  bool was = ready();
  over = true;
  early.notify_all();
  lock.unlock();
  bell.join();
  lock.lock();
  return was;
}

void Driver::later(FunctionThread& thread, std::function<void()> work) {
  if (!inline_) return thread.post(std::move(work));
  inlineWork_.push_back(std::move(work));
  changed_.notify_all();
}

void Driver::checkAlive() const {
  if (!failed_.empty()) throwError(failedKind_, failed_);
  if (closing_) throwError(ErrorKind::kIllegalState, "this Context is stopped; make a new one");
}

void Driver::send(Outgoing& out) {
  for (auto& [peer, address] : out.dials) backend_->link().connect(peer, address);
  for (auto& [peer, envelope] : out.messages) backend_->link().send(peer, std::move(envelope));
  for (auto& call : out.calls) call();
}

// ---- Application ----

void Driver::connect(proto::Submit submit) {
  {
    std::lock_guard lock(mutex_);
    submit_ = std::move(submit);
    backend_->complete(submit_);
  }
  if (auto status = backend_->open(*this); !status.ok()) {
    throwError(status.code() == absl::StatusCode::kInvalidArgument ? ErrorKind::kInvalidArgument : ErrorKind::kUnavailable,
               std::string_view(status.message().data(), status.message().size()));
  }
  std::unique_lock lock(mutex_);
  wait(lock, [&] { return submitted_ || !failed_.empty(); });
  checkAlive();
}

void Driver::close(bool failed, const std::string& why) {
  EnvelopePtr goodbye;
  {
    std::lock_guard lock(mutex_);
    if (closing_) return;
    closing_ = true;
    changed_.notify_all();
    if (session_ && submitted_) {
      auto [envelope, end] = compose(&proto::Message::mutable_end_app);
      end->set_app(app_), end->set_failed(failed), end->set_why(why);
      goodbye = envelope;
    }
  }
  if (goodbye) {
    backend_->link().send(kMasterPeer, std::move(goodbye));
    std::unique_lock lock(mutex_);
    auto over = [&] { return ended_ || !session_ || !failed_.empty(); };
    if (inline_) wait(lock, over);
    else waitAtMost(lock, kGoodbyeMs, over);
  }
  planner_.close();  // their threads send: before the link goes
  outputs_.close();
  backend_->close();
  printer_.close();
  std::lock_guard lock(mutex_);
  if (failed_.empty()) failed_ = "this Context is stopped; make a new one", failedKind_ = ErrorKind::kIllegalState;
  changed_.notify_all();
}

void Driver::lost(const std::string& why) {
  std::lock_guard lock(mutex_);
  session_ = false;
  if (failed_.empty()) failed_ = why, failedKind_ = ErrorKind::kUnavailable;
  changed_.notify_all();
}

bool Driver::hasJobs() {
  std::lock_guard lock(mutex_);
  return !jobs_.empty();
}

void Driver::interrupt(const std::string& why) {
  Outgoing out;
  {
    std::lock_guard lock(mutex_);
    if (failed_.empty()) failed_ = why, failedKind_ = ErrorKind::kIllegalState;
    for (const auto& [number, job] : jobs_) {
      auto [envelope, cancel] = compose(&proto::Message::mutable_cancel_job);
      cancel->set_app(app_), cancel->set_number(number);
      out.messages.emplace_back(kMasterPeer, std::move(envelope));
    }
    changed_.notify_all();
  }
  send(out);
}

void Driver::begin(Outgoing& out) {
  auto [submit, body] = compose(&proto::Message::mutable_submit);
  *body = submit_;
  out.messages.emplace_back(kMasterPeer, std::move(submit));
  sentTemplates_.clear();
  if (!submitted_) return;
  for (const auto& [id, value] : shared_) shareMessages(id, value, out);
  for (const auto& [number, job] : jobs_) out.messages.emplace_back(kMasterPeer, runJobMessage(number, *job->job, true));
  for (const auto& [id, stream] : streams_) {
    if (!stream.stopped) out.messages.emplace_back(kMasterPeer, startStreamMessage(id, stream));
    if (!stream.stopped && stream.draining) {
      auto [envelope, drain] = compose(&proto::Message::mutable_drain);
      drain->set_app(app_), drain->set_stream(id), drain->set_now(stream.drainNow);
      out.messages.emplace_back(kMasterPeer, std::move(envelope));
    }
  }
}

void Driver::onSession(Peer with, bool up) {
  Outgoing out;
  {
    std::lock_guard lock(mutex_);
    if (with.role == Role::kMaster) {
      session_ = up;
      if (up) begin(out);
    } else if (with.role == Role::kExecutor) {
      if (up) {
        executorSessions_.insert(with.id);
        sendFetches(out);
      } else {
        executorSessions_.erase(with.id), dialled_.erase(with.id);
        failFetches(with.id);
      }
    }
    changed_.notify_all();
  }
  send(out);
}

void Driver::onMessage(Peer from, EnvelopePtr envelope) {
  Outgoing out;
  {
    std::lock_guard lock(mutex_);
    const auto& message = envelope->message;
    if (message.has_got()) onGot(envelope);
    else if (from.role == Role::kMaster) onMaster(envelope, out);
    changed_.notify_all();
  }
  send(out);
}

void Driver::onMaster(const EnvelopePtr& envelope, Outgoing& out) {
  const auto& message = envelope->message;
  switch (message.body_case()) {
    case proto::Message::kSubmitted: {
      if (submitted_) break;
      const auto& answer = message.submitted();
      if (!answer.error().empty()) {
        failed_ = answer.error(), failedKind_ = ErrorKind::kUnavailable;
        break;
      }
      app_ = answer.app(), appId_ = answer.app_id(), defaultParallelism_ = std::max(answer.default_parallelism(), 1u);
      submitted_ = true;
      if (submit_.driver() == 0) {  // on a worker nobody would read the text
        auto [subscribe, body] = compose(&proto::Message::mutable_subscribe);
        body->set_app(app_), body->set_from(linesAt_);
        out.messages.emplace_back(kMasterPeer, std::move(subscribe));
      }
      break;
    }
    case proto::Message::kRefused:
      if (failed_.empty()) failed_ = message.refused().why(), failedKind_ = ErrorKind::kUnavailable;
      break;
    case proto::Message::kNeedPlan:
      if (auto it = jobs_.find(message.need_plan().number()); it != jobs_.end()) {
        out.messages.emplace_back(kMasterPeer, runJobMessage(it->first, *it->second->job, true));
      }
      break;
    case proto::Message::kJobDone: onJobDone(envelope, out); break;
    case proto::Message::kJobFailed: onJobFailed(message.job_failed(), out); break;
    case proto::Message::kMembers:
      members_.clear();
      for (const auto& member : message.members().members()) members_[member.executor()] = member;
      sendFetches(out);
      break;
    case proto::Message::kStreamStarted:
      if (auto it = streams_.find(message.stream_started().stream()); it != streams_.end() && !it->second.started) {
        it->second.started = true, it->second.answer = message.stream_started();
      }
      break;
    case proto::Message::kPlanFor: onPlanFor(message.plan_for(), out); break;
    case proto::Message::kRunOutput: onRunOutput(message.run_output(), out); break;
    case proto::Message::kBatchDone: onBatchDone(envelope, out); break;
    case proto::Message::kStreamStopped:
      if (auto it = streams_.find(message.stream_stopped().stream()); it != streams_.end()) {
        it->second.stopped = true;
        if (it->second.error.empty()) it->second.error = message.stream_stopped().error();
      }
      break;
    case proto::Message::kAppEnded:
      ended_ = true;
      if (!closing_ && failed_.empty()) {
        failed_ = message.app_ended().why().empty() ? "the application was ended by the master" : message.app_ended().why();
        failedKind_ = ErrorKind::kIllegalState;
      }
      break;
    case proto::Message::kLines: onLines(message.lines(), out); break;
    case proto::Message::kGet: answerGet(kMasterPeer, message.get(), out); break;
    default: break;  // of a newer master; what it cannot do without is refused when sessions begin
  }
}

void Driver::onLines(const proto::Lines& lines, Outgoing& out) {
  std::uint64_t end = lines.from() + lines.text().size();
  if (end <= linesAt_) return;
  if (lines.from() > linesAt_) {  // some were lost with a session
    auto [subscribe, body] = compose(&proto::Message::mutable_subscribe);
    body->set_app(app_), body->set_from(linesAt_);
    out.messages.emplace_back(kMasterPeer, std::move(subscribe));
    return;
  }
  printer_.print(std::string_view(lines.text()).substr(linesAt_ - lines.from()), inline_);
  linesAt_ = end;
}

// ---- Jobs ----

EnvelopePtr Driver::runJobMessage(std::uint64_t number, const Job& job, bool withPlan) {
  auto [envelope, run] = compose(&proto::Message::mutable_run_job);
  run->set_app(app_), run->set_number(number), run->set_stream(job.stream);
  run->set_template_hash(job.plan.plan->template_hash());
  if (withPlan) *run->mutable_plan() = *job.plan.plan, sentTemplates_.insert(job.plan.plan->template_hash());
  *run->mutable_captures() = job.plan.captures;
  for (auto partition : job.partitions) run->add_partitions(partition);
  run->set_description(job.description);
  return envelope;
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
  PendingJob pending;
  pending.job = &job;
  std::unique_lock lock(mutex_);
  checkAlive();
  std::uint64_t number = ++lastJob_;
  jobs_[number] = &pending;
  EnvelopePtr message;
  if (session_) message = runJobMessage(number, job, !sentTemplates_.contains(job.plan.plan->template_hash()));
  lock.unlock();
  if (message) backend_->link().send(kMasterPeer, std::move(message));
  lock.lock();
  wait(lock, [&] { return pending.done || !failed_.empty() || closing_; });
  jobs_.erase(number);
  std::erase_if(fetches_, [&](const auto& entry) { return entry.second.number == number; });
  if (pending.held && session_) {
    auto [over, cancel] = compose(&proto::Message::mutable_cancel_job);
    cancel->set_app(app_), cancel->set_number(number);
    lock.unlock();
    backend_->link().send(kMasterPeer, std::move(over));
    lock.lock();
  }
  if (!pending.done) checkAlive();
  if (pending.failed) throw pending.error;
  again = pending.again;
  return std::move(pending.results);
}

void Driver::onJobDone(const EnvelopePtr& envelope, Outgoing& out) {
  const auto& answer = envelope->message.job_done();
  auto it = jobs_.find(answer.number());
  if (it == jobs_.end() || it->second->done || it->second->missing > 0) return;
  PendingJob& job = *it->second;
  std::uint64_t bytes = 0;
  for (const auto& result : answer.results()) {
    bytes += result.attachment() >= 0 && result.rows() > 0 ? envelope->attachments.at(std::size_t(result.attachment())).size() : result.bytes();
  }
  if (maxResultBytes_ != 0 && bytes > maxResultBytes_) {
    job.done = job.failed = true;
    job.error = Error(ErrorKind::kInvalidArgument, job.job->description + ": the results are " + std::to_string(bytes) +
                                                       " bytes, more than sluice.driver.maxResultSize (" + std::to_string(maxResultBytes_) +
                                                       "); take fewer, save them to files, or raise it");
    return;
  }
  lastJobMicroseconds_ = answer.processing_us();
  job.results.partitions = answer.partitions();
  job.results.updates.assign(answer.updates().begin(), answer.updates().end());
  for (const auto& result : answer.results()) {
    Part& part = job.results.parts.emplace_back();
    part.partition = result.partition(), part.rows = result.rows();
    if (result.rows() == 0) continue;
    if (result.attachment() >= 0) {
      part.bytes = envelope->attachments[std::size_t(result.attachment())];
      continue;
    }
    ++job.missing;
    job.held = true;
    Fetch fetch;
    fetch.number = answer.number(), fetch.request = ++lastRequest_, fetch.executor = result.executor();
    fetch.part = job.results.parts.size() - 1, fetch.result = result;
    fetches_[fetch.request] = std::move(fetch);
  }
  job.done = job.missing == 0;
  if (!job.done) sendFetches(out);
}

void Driver::onJobFailed(const proto::JobFailed& failed, Outgoing& out) {
  auto it = jobs_.find(failed.number());
  if (it == jobs_.end() || it->second->done) return;
  if (failed.retry()) {
    out.messages.emplace_back(kMasterPeer, runJobMessage(failed.number(), *it->second->job, true));
    return;
  }
  it->second->done = it->second->failed = true;
  it->second->error = Error(kindOf(failed.domain()), withSite(failed.message(), failed.site()));
}

void Driver::sendFetches(Outgoing& out) {
  for (auto& [request, fetch] : fetches_) {
    if (fetch.sent) continue;
    Peer holder{Role::kExecutor, fetch.executor};
    if (executorSessions_.contains(fetch.executor)) {
      auto [envelope, get] = compose(&proto::Message::mutable_get);
      get->set_app(app_), get->set_request(request);
      *get->mutable_result() = fetch.result;
      get->mutable_instance()->set_app(app_), get->mutable_instance()->set_when_ms(-std::int64_t(fetch.number));
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
    if (auto job = jobs_.find(it->second.number); job != jobs_.end()) job->second->done = job->second->again = true;
    it = fetches_.erase(it);
  }
}

void Driver::onGot(const EnvelopePtr& envelope) {
  const auto& got = envelope->message.got();
  auto it = fetches_.find(got.request());
  if (it == fetches_.end()) return;
  Fetch& fetch = it->second;
  auto found = jobs_.find(fetch.number);
  if (found == jobs_.end()) {
    fetches_.erase(it);
    return;
  }
  PendingJob& job = *found->second;
  if (!got.present()) {
    job.done = job.again = true;
    fetches_.erase(it);
    return;
  }
  for (const auto& piece : envelope->attachments) fetch.pieces.push_back(piece);
  if (got.more()) return;
  Part& part = job.results.parts[fetch.part];
  if (fetch.pieces.size() == 1) {
    part.bytes = std::move(fetch.pieces[0]);
  } else {
    std::string whole;
    for (const auto& piece : fetch.pieces) whole.append(piece.view());
    part.bytes = Bytes::of(std::move(whole));
  }
  fetches_.erase(it);
  if (--job.missing == 0) job.done = true;
}

void Driver::unpersist(std::uint32_t node) {
  auto [envelope, unpersist] = compose(&proto::Message::mutable_unpersist);
  {
    std::lock_guard lock(mutex_);
    if (!session_ || closing_) return;
    unpersist->set_app(app_), unpersist->add_nodes(node);
  }
  backend_->link().send(kMasterPeer, std::move(envelope));
}

// ---- Broadcast values ----

void Driver::shareMessages(std::uint64_t id, const Bytes& value, Outgoing& out) {
  std::size_t at = 0;
  do {
    std::size_t n = std::min(kSharePiece, value.size() - at);
    auto [envelope, share] = compose(&proto::Message::mutable_share);
    share->set_app(app_), share->set_id(id), share->set_size(value.size()), share->set_offset(at);
    envelope->attachments.push_back(value.part(at, n));
    out.messages.emplace_back(kMasterPeer, std::move(envelope));
    at += n;
  } while (at < value.size());
}

void Driver::share(std::uint64_t id, Bytes value) {
  Outgoing out;
  {
    std::lock_guard lock(mutex_);
    checkAlive();
    if (!shared_.emplace(id, value).second) return;
    if (session_) shareMessages(id, value, out);
  }
  send(out);
}

void Driver::unshare(std::uint64_t id) {
  auto [envelope, share] = compose(&proto::Message::mutable_share);
  {
    std::lock_guard lock(mutex_);
    if (shared_.erase(id) == 0 || !session_ || closing_) return;
    share->set_app(app_), share->set_id(id), share->set_drop(true);
  }
  backend_->link().send(kMasterPeer, std::move(envelope));
}

void Driver::answerGet(Peer from, const proto::Get& get, Outgoing& out) {
  auto [envelope, got] = compose(&proto::Message::mutable_got);
  got->set_request(get.request());
  if (auto it = shared_.find(get.broadcast()); it != shared_.end()) {
    got->set_present(true), got->set_rows(1);
    envelope->attachments.push_back(it->second);
  }
  out.messages.emplace_back(from, std::move(envelope));
}

// ---- Streams ----

EnvelopePtr Driver::startStreamMessage(std::uint32_t stream, const Stream& s) {
  auto [envelope, start] = compose(&proto::Message::mutable_start_stream);
  start->set_app(app_), start->set_stream(stream);
  *start->mutable_plan() = *s.plan.plan;
  *start->mutable_captures() = s.plan.captures;
  return envelope;
}

proto::StreamStarted Driver::startStream(std::uint32_t stream, BuiltPlan plan, std::shared_ptr<StreamEnd> end) {
  std::unique_lock lock(mutex_);
  checkAlive();
  Stream& s = streams_[stream];
  s.plan = std::move(plan), s.end = std::move(end);
  EnvelopePtr message = session_ ? startStreamMessage(stream, s) : nullptr;
  lock.unlock();
  if (message) backend_->link().send(kMasterPeer, std::move(message));
  lock.lock();
  wait(lock, [&] { return s.started || !failed_.empty() || closing_; });
  if (!s.started) checkAlive();
  if (!s.answer.error().empty()) {
    std::string error = s.answer.error();
    streams_.erase(stream);
    throwError(ErrorKind::kIllegalState, error);
  }
  return s.answer;
}

void Driver::onPlanFor(const proto::PlanFor& ask, Outgoing& out) {
  auto it = streams_.find(ask.stream());
  if (it == streams_.end()) return;
  Stream& stream = it->second;
  if (auto known = stream.planned.find(ask.when_ms()); known != stream.planned.end()) {
    out.messages.emplace_back(kMasterPeer, known->second);
    return;
  }
  if (ask.when_ms() <= stream.lastAsked) return;  // being planned
  stream.lastAsked = ask.when_ms();
  later(planner_, [this, id = ask.stream(), when = ask.when_ms(), end = stream.end] {
    auto [envelope, planned] = compose(&proto::Message::mutable_planned);
    planned->set_app(app_), planned->set_stream(id), planned->set_when_ms(when);
    try {
      BuiltPlan built = end->planFor(when);
      *planned->mutable_plan() = *built.plan;
      *planned->mutable_captures() = std::move(built.captures);
    } catch (...) {
      planned->set_error(messageOf(std::current_exception()));
    }
    {
      std::lock_guard lock(mutex_);
      if (auto s = streams_.find(id); s != streams_.end()) {
        s->second.planned[when] = envelope;
        addBatchError(s->second, when, planned->error());
      }
      changed_.notify_all();
    }
    backend_->link().send(kMasterPeer, envelope);
  });
}

void Driver::onRunOutput(const proto::RunOutput& ask, Outgoing& out) {
  auto it = streams_.find(ask.stream());
  if (it == streams_.end()) return;
  Stream& stream = it->second;
  auto [known, isNew] = stream.outputs.try_emplace({ask.when_ms(), ask.output()});
  auto doneMessage = [this, id = ask.stream(), when = ask.when_ms(), index = ask.output()](const std::string& error) {
    auto [envelope, done] = compose(&proto::Message::mutable_output_done);
    done->set_app(app_), done->set_stream(id), done->set_when_ms(when), done->set_output(index), done->set_error(error);
    return envelope;
  };
  if (!isNew) {
    if (known->second.done) out.messages.emplace_back(kMasterPeer, doneMessage(known->second.error));
    return;
  }
  if (stream.outputs.size() > kOutputsRemembered && stream.outputs.begin()->second.done) stream.outputs.erase(stream.outputs.begin());
  later(outputs_, [this, ask, doneMessage, end = stream.end] {
    std::string error;
    try {
      end->runOutput(ask.when_ms(), ask.output(), ask.rerun());
    } catch (...) {
      error = messageOf(std::current_exception());
      if (error.empty()) error = "the function threw an exception without a message";
    }
    {
      std::lock_guard lock(mutex_);
      if (auto s = streams_.find(ask.stream()); s != streams_.end()) {
        s->second.outputs[{ask.when_ms(), ask.output()}] = {true, error};
        addBatchError(s->second, ask.when_ms(), error);
      }
      changed_.notify_all();
    }
    backend_->link().send(kMasterPeer, doneMessage(error));
  });
}

void Driver::addBatchError(Stream& stream, std::int64_t whenMs, const std::string& error) {
  if (error.empty() || stream.lastFailedMs == whenMs) return;
  stream.lastFailedMs = whenMs;
  stream.batchErrors.push_back(error);
}

void Driver::onBatchDone(const EnvelopePtr& envelope, Outgoing& out) {
  const auto& batch = envelope->message.batch_done();
  auto it = streams_.find(batch.stream());
  if (it == streams_.end()) return;
  Stream& stream = it->second;
  stream.planned.erase(stream.planned.begin(), stream.planned.upper_bound(batch.when_ms()));
  addBatchError(stream, batch.when_ms(), batch.error());
  out.calls.push_back([envelope, end = stream.end] { end->batchDone(envelope->message.batch_done()); });
}

bool Driver::awaitStream(std::uint32_t id, std::int64_t atMostMs) {
  std::unique_lock lock(mutex_);
  auto it = streams_.find(id);
  if (it == streams_.end()) return true;
  Stream& stream = it->second;
  auto ready = [&] { return stream.stopped || !stream.batchErrors.empty() || !failed_.empty() || closing_; };
  if (atMostMs < 0) wait(lock, ready);
  else if (!waitAtMost(lock, atMostMs, ready)) return false;
  if (!stream.batchErrors.empty()) {
    std::string error = std::move(stream.batchErrors.front());
    stream.batchErrors.pop_front();
    throwError(ErrorKind::kUserCode, error);
  }
  if (stream.stopped) {
    if (!stream.error.empty()) throwError(ErrorKind::kUserCode, stream.error);
    return true;
  }
  if (!failed_.empty()) throwError(failedKind_, failed_);
  return true;
}

void Driver::stopStream(std::uint32_t id, bool gracefully, std::int64_t atMostMs) {
  auto drainMessage = [&](bool now) {
    auto [envelope, drain] = compose(&proto::Message::mutable_drain);
    drain->set_app(app_), drain->set_stream(id), drain->set_now(now);
    return envelope;
  };
  std::unique_lock lock(mutex_);
  auto it = streams_.find(id);
  if (it == streams_.end() || it->second.stopped || closing_ || !failed_.empty()) return;
  Stream& stream = it->second;
  stream.draining = true, stream.drainNow = !gracefully;
  auto over = [&] { return stream.stopped || !failed_.empty() || closing_; };
  lock.unlock();
  backend_->link().send(kMasterPeer, drainMessage(!gracefully));
  lock.lock();
  if (inFunctionNow) return;  // it would wait for itself
  if (gracefully && !inline_) {
    if (waitAtMost(lock, atMostMs, over)) return;
    stream.drainNow = true;
    lock.unlock();
    backend_->link().send(kMasterPeer, drainMessage(true));
    lock.lock();
  }
  wait(lock, over);
}

}  // namespace sluice
