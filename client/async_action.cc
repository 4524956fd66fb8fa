#include "client/async_action.h"

#include <algorithm>
#include <chrono>
#include <deque>
#include <thread>
#include <utility>

#include "client/context_core.h"
#include "client/log.h"
#include "common/thrown.h"

namespace sluice {

struct AsyncThreads::State {
  std::mutex mutex;
  std::condition_variable woken;
  std::deque<std::function<void()>> queue;
  std::size_t idle = 0;
  bool closed = false;
  std::vector<std::thread> threads;
};

AsyncThreads::AsyncThreads() : state_(std::make_shared<State>()) {}

bool AsyncThreads::run(std::function<void()> work) {
  std::lock_guard lock(state_->mutex);
  if (state_->closed) return false;
  state_->queue.push_back(std::move(work));
  if (state_->idle >= state_->queue.size()) return state_->woken.notify_one(), true;
  state_->threads.emplace_back([state = state_] {
    std::unique_lock lock(state->mutex);
    for (;;) {
      ++state->idle;
      state->woken.wait(lock, [&] { return state->closed || !state->queue.empty(); });
      --state->idle;
      if (state->queue.empty()) return;
      auto work = std::move(state->queue.front());
      state->queue.pop_front();
      lock.unlock();
      work();
      work = nullptr;
      lock.lock();
    }
  });
  return true;
}

void AsyncThreads::close() {
  std::vector<std::thread> threads;
  {
    std::lock_guard lock(state_->mutex);
    state_->closed = true;
    threads = std::move(state_->threads);
    state_->threads.clear();
    state_->woken.notify_all();
  }
  for (auto& thread : threads) {
    if (thread.get_id() == std::this_thread::get_id()) thread.detach();  // it closes the context itself
    else thread.join();
  }
}

inline namespace SLUICE_ABI {
namespace detail {

AsyncBody::~AsyncBody() = default;

void retain(AsyncAction* action) noexcept { action->references.fetch_add(1, std::memory_order_relaxed); }
void release(AsyncAction* action) noexcept {
  if (action->references.fetch_sub(1, std::memory_order_acq_rel) == 1) delete action;
}

AsyncAction::AsyncAction(ContextRef context, AsyncBody* body, const char* name, CallSite site)
    : what_(std::string(name) + " at " + siteText(site)),
      context_(context->serial()),
      properties_(LocalProperties::of(context->serial())),
      body_(body),
      core_(std::move(context)) {}

AsyncAction*& AsyncAction::current() {
  thread_local AsyncAction* action = nullptr;
  return action;
}

void AsyncAction::run() {
  std::exception_ptr error;
  {
    LocalProperties::Scope scope(context_, properties_);
    current() = this;
    try {
      body_->run();
    } catch (...) {
      error = std::current_exception();
    }
    current() = nullptr;
  }
  std::vector<std::unique_ptr<AsyncBody>> then;
  ContextRef context;  // let go after the lock
  {
    std::lock_guard lock(mutex_);
    done_ = true, error_ = error;
    then = std::move(then_), context = std::move(core_);
    changed_.notify_all();
  }
  for (auto& call : then) callBack(*call);
}

bool AsyncAction::wait(const Duration* atMost) {
  std::unique_lock lock(mutex_);
  auto over = [&] { return done_; };
  if (!atMost) return changed_.wait(lock, over), true;
  return changed_.wait_for(lock, std::chrono::milliseconds(std::max<std::int64_t>(atMost->milliseconds(), 0)), over);
}

AsyncBody& AsyncAction::result(const Duration* atMost) {
  if (!wait(atMost)) throwError(ErrorKind::kUnavailable, what_ + " is not done after " + atMost->toString());
  std::lock_guard lock(mutex_);
  if (error_) std::rethrow_exception(error_);
  return *body_;
}

std::string AsyncAction::began(std::uint64_t number) {
  std::lock_guard lock(mutex_);
  jobs_.push_back(std::int64_t(number));
  return cancelledBy_;
}

void AsyncAction::cancel(CallSite site) {
  std::string by = "FutureAction::cancel at " + siteText(site);
  std::vector<std::int64_t> jobs;
  ContextRef context;
  {
    std::lock_guard lock(mutex_);
    if (done_ || !cancelledBy_.empty()) return;
    cancelledBy_ = by;
    jobs = jobs_, context = core_;
  }
  context->driver().cancelJobs(
      [&](std::uint64_t number, const Driver::Job&) { return std::find(jobs.begin(), jobs.end(), std::int64_t(number)) != jobs.end(); }, by);
}

bool AsyncAction::isCompleted() const {
  std::lock_guard lock(mutex_);
  return done_;
}
bool AsyncAction::isCancelled() const {
  std::lock_guard lock(mutex_);
  return !cancelledBy_.empty();
}
std::vector<std::int64_t> AsyncAction::jobIds() const {
  std::lock_guard lock(mutex_);
  return jobs_;
}

ContextRef AsyncAction::context() const {
  std::lock_guard lock(mutex_);
  return core_;
}

void AsyncAction::onComplete(std::unique_ptr<AsyncBody> then) {
  {
    std::lock_guard lock(mutex_);
    if (!done_) return then_.push_back(std::move(then));
  }
  callBack(*then);
}

void AsyncAction::callBack(AsyncBody& then) const {
  try {
    then.run();
  } catch (const std::exception& e) {
    logLine(LogLevel::kError, "what follows " + what_ + " threw: " + wordsOf(e));
  } catch (...) {
    logLine(LogLevel::kError, "what follows " + what_ + " threw something that is no std::exception");
  }
}

AsyncRef startAsync(ContextCore& context, AsyncBody* body, const char* name, CallSite site) {
  std::unique_ptr<AsyncBody> owned(body);
  context.checkActive();
  if (currentTask()) throwError(ErrorKind::kIllegalState, std::string(name) + ": an RDD cannot be used inside a task; broadcast the data, or join");
  AsyncRef action(new AsyncAction(ContextRef(&context), owned.release(), name, site));
  if (!context.async().run([action] { action->run(); })) context.checkActive();
  return action;
}

bool wait(AsyncAction& action, const Duration* atMost) { return action.wait(atMost); }
AsyncBody& result(AsyncAction& action, const Duration* atMost) { return action.result(atMost); }
void cancel(AsyncAction& action, CallSite site) { action.cancel(site); }
bool isCompleted(const AsyncAction& action) { return action.isCompleted(); }
bool isCancelled(const AsyncAction& action) { return action.isCancelled(); }
std::vector<std::int64_t> jobIds(const AsyncAction& action) { return action.jobIds(); }
void onComplete(AsyncAction& action, AsyncBody* then) { action.onComplete(std::unique_ptr<AsyncBody>(then)); }

}  // namespace detail
}  // inline namespace SLUICE_ABI
}  // namespace sluice
