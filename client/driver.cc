#include "client/driver.h"

#include <xxhash.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "client/log.h"

namespace sluice {
namespace {

constexpr std::size_t kSharePiece = 1 << 20;
constexpr std::int64_t kGoodbyeMs = 5000;
constexpr std::uint64_t kNumbersOfADriver = std::uint64_t(1) << 32;  // of jobs and requests, before those of one that is started in its place

thread_local bool inFunctionNow = false;

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
      printer_([this](std::string_view text) {
        if (console_) console_->clear();
        backend_->print(text);
      }) {}

Driver::~Driver() { close(false, ""); }

bool Driver::inFunction() { return inFunctionNow; }

// ---- Waiting ----

Driver::Call::Call(Driver& driver) : driver_(driver) {
  std::lock_guard lock(driver_.mutex_);
  ++driver_.calls_;
}
Driver::Call::~Call() {
  std::lock_guard lock(driver_.mutex_);
  --driver_.calls_;
  driver_.changed_.notify_all();
}

void Driver::wait(std::unique_lock<std::mutex>& lock, Lent lent, const std::function<bool()>& ready) {
  auto functionDue = [&] { return inline_ && !inlineRunning_ && !inlineWork_.empty(); };
  for (;;) {
    backend_->waiter().wait(lock, changed_, lent, [&] { return ready() || functionDue(); });
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
  Call call(*this);
  std::unique_lock lock(mutex_);
  wait(lock, Lent::toBatches(), ready);
}

bool Driver::waitAtMost(std::unique_lock<std::mutex>& lock, std::int64_t atMostMs, const std::function<bool()>& ready) {
  bool timeUp = false, over = false;
  std::condition_variable early;
  auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(atMostMs);
  // The waiter may be running functions of the application, or a simulation; so somebody else must look at the clock.
  std::thread bell([&] {
    std::unique_lock inner(mutex_);
    early.wait_until(inner, end, [&] { return over; });
    timeUp = true;
    changed_.notify_all();
  });
  wait(lock, Lent::toNone(), [&] { return timeUp || ready(); });
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
  wait(lock, Lent::toNone(), [&] { return submitted_ || !failed_.empty(); });
  checkAlive();
}

void Driver::close(bool failed, const std::string& why) {
  EnvelopePtr goodbye;
  Outgoing out;
  {
    std::lock_guard lock(mutex_);
    if (closing_) return;
    closing_ = true;
    changed_.notify_all();
    if (session_ && submitted_) {
      // Their tasks stop; what their waiters are told does not wait for that.
      for (const auto& [number, job] : jobs_) out.messages.emplace_back(kMasterPeer, cancelMessage(number, kByItsEnd));
      auto [envelope, end] = compose(&proto::Message::mutable_end_app);
      end->set_app(app_), end->set_failed(failed), end->set_why(why);
      goodbye = envelope;
    }
  }
  send(out);
  if (goodbye) {
    backend_->link().send(kMasterPeer, std::move(goodbye));
    std::unique_lock lock(mutex_);
    auto over = [&] { return ended_ || !session_ || !failed_.empty(); };
    if (inline_) wait(lock, Lent::toNone(), over);
    else waitAtMost(lock, kGoodbyeMs, over);
  }
  if (console_) console_->stop();
  planner_.close();  // their threads send: before the link goes
  outputs_.close();
  {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return calls_ == 0; });
  }
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
    for (const auto& [number, job] : jobs_) out.messages.emplace_back(kMasterPeer, cancelMessage(number, why));
    changed_.notify_all();
  }
  send(out);
}

void Driver::begin(Outgoing& out) {
  auto [submit, body] = compose(&proto::Message::mutable_submit);
  *body = submit_;
  if (executorTarget_) body->set_executors(*executorTarget_);  // before a master that comes again starts any
  out.messages.emplace_back(kMasterPeer, std::move(submit));
  sentTemplates_.clear();
  {
    std::lock_guard inner(exchangesMutex_);  // the session that is over may have lost the word
    goneKept_.insert(goneKept_.end(), goneKeptBefore_.begin(), goneKeptBefore_.end());
    goneKeptBefore_.clear();
  }
  if (!submitted_) return;
  subscribe(out);
  for (const auto& [id, value] : shared_) shareMessages(id, value, out);
  for (const auto& [request, pending] : scales_) out.messages.emplace_back(kMasterPeer, scaleMessage(request, pending.what));
  for (const auto& [request, answer] : storageAsked_) out.messages.emplace_back(kMasterPeer, askStorageMessage(request));
  if (listening_) out.messages.emplace_back(kMasterPeer, listenMessage(true));
  for (const auto& [number, job] : jobs_) {
    out.messages.emplace_back(kMasterPeer, runJobMessage(number, *job, true));
    if (!job->cancelledBy.empty()) out.messages.emplace_back(kMasterPeer, cancelMessage(number, job->cancelledBy));
  }
  for (const auto& [request, kill] : kills_) out.messages.emplace_back(kMasterPeer, killTaskMessage(request, kill));
  for (const auto& [request, drop] : drops_) out.messages.emplace_back(kMasterPeer, dropMessage(request, drop.broadcast));
  if (watching_ || watchingForConsole_) out.messages.emplace_back(kMasterPeer, watchMessage(true));
  for (const auto& [request, part] : parts_) out.messages.emplace_back(kMasterPeer, askPartMessage(request, part.number));
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
        executorSessions_.erase(with.id), dialled_.erase(with.id), taken_.erase(with.id);
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
    if (message.has_got()) onGot(from, envelope, out);
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
      if (answer.attempt() > 1) lastJob_ = lastRequest_ = (answer.attempt() - 1) * kNumbersOfADriver;
      subscribe(out);
      break;
    }
    case proto::Message::kRefused:
      if (failed_.empty()) failed_ = message.refused().why(), failedKind_ = ErrorKind::kUnavailable;
      break;
    case proto::Message::kNeedPlan:
      if (auto it = jobs_.find(message.need_plan().number()); it != jobs_.end()) {
        out.messages.emplace_back(kMasterPeer, runJobMessage(it->first, *it->second, true));
      }
      break;
    case proto::Message::kJobDone: onJobDone(envelope, out); break;
    case proto::Message::kJobFailed: onJobFailed(message.job_failed(), out); break;
    case proto::Message::kJobPart: onJobPart(envelope, out); break;
    case proto::Message::kDropped:
      if (auto it = drops_.find(message.dropped().request()); it != drops_.end()) it->second.done = true;
      break;
    case proto::Message::kTaskKilled:
      if (auto it = kills_.find(message.task_killed().request()); it != kills_.end()) it->second.told = true, it->second.found = message.task_killed().found();
      break;
    case proto::Message::kNotice: logLine(LogLevel::kWarn, message.notice().text()); break;
    case proto::Message::kProgress: board_.take(message.progress(), steadyMs()); break;
    case proto::Message::kScaled: onScaled(message.scaled()); break;
    case proto::Message::kStorage:
      if (auto it = storageAsked_.find(message.storage().request()); it != storageAsked_.end()) it->second = message.storage();
      break;
    case proto::Message::kAppEvents: bus_.take(message.app_events()); break;
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
    case proto::Message::kStreamEvent:
      if (auto it = streams_.find(message.stream_event().stream()); it != streams_.end()) {
        out.calls.push_back([envelope, end = it->second.end] { end->event(envelope->message.stream_event()); });
      }
      break;
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

// To what streams print, from what was seen on.
void Driver::subscribe(Outgoing& out) const {
  if (submit_.driver() != 0) return;  // on a worker nobody would read the text
  auto [envelope, body] = compose(&proto::Message::mutable_subscribe);
  body->set_app(app_), body->set_from(linesAt_);
  out.messages.emplace_back(kMasterPeer, std::move(envelope));
}

void Driver::onLines(const proto::Lines& lines, Outgoing& out) {
  std::uint64_t end = lines.from() + lines.text().size();
  if (end <= linesAt_) return;
  if (lines.from() > linesAt_) return subscribe(out);  // some were lost with a session
  printer_.print(std::string_view(lines.text()).substr(linesAt_ - lines.from()), inline_);
  linesAt_ = end;
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

EnvelopePtr Driver::dropMessage(std::uint64_t request, std::uint64_t broadcast) const {
  auto [envelope, unpersist] = compose(&proto::Message::mutable_unpersist);
  unpersist->set_app(app_), unpersist->set_request(request), unpersist->add_broadcasts(broadcast);
  return envelope;
}

void Driver::unpersistBroadcast(std::uint64_t id, bool blocking) {
  Call call(*this);
  std::unique_lock lock(mutex_);
  checkAlive();
  if (!shared_.contains(id)) return;
  std::uint64_t request = blocking ? ++lastRequest_ : 0;
  if (blocking) drops_[request] = {id};
  EnvelopePtr message = session_ ? dropMessage(request, id) : nullptr;
  lock.unlock();
  if (message) backend_->link().send(kMasterPeer, std::move(message));
  if (!blocking) return;
  lock.lock();
  wait(lock, Lent::toNone(), [&] { return drops_[request].done || !failed_.empty() || closing_; });
  drops_.erase(request);
  checkAlive();
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

}  // namespace sluice
