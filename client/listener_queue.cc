#include "client/listener_queue.h"

#include <algorithm>
#include <exception>
#include <utility>

#include "client/log.h"
#include "common/thrown.h"

namespace sluice {

bool ListenerQueue::add(std::shared_ptr<void> listener) {
  std::lock_guard lock(mutex_);
  if (std::any_of(listeners_.begin(), listeners_.end(), [&](const Listener& l) { return l.what == listener; })) return false;
  listeners_.push_back({std::move(listener), posted_});
  return true;
}

bool ListenerQueue::remove(const void* listener) {
  std::shared_ptr<void> gone;  // destroyed without the lock
  std::unique_lock lock(mutex_);
  auto it = std::find_if(listeners_.begin(), listeners_.end(), [&](const Listener& l) { return l.what.get() == listener; });
  bool was = it != listeners_.end();
  if (was) gone = std::move(it->what), listeners_.erase(it);
  if (std::this_thread::get_id() != id_) changed_.wait(lock, [&] { return called_ != listener; });
  lock.unlock();
  return was;
}

bool ListenerQueue::empty() const {
  std::lock_guard lock(mutex_);
  return listeners_.empty();
}

ListenerQueue::~ListenerQueue() {
  close();
  if (thread_.joinable()) thread_.detach();  // a listener let go of the last handle
}

bool ListenerQueue::isMine() const {
  std::lock_guard lock(mutex_);
  return std::this_thread::get_id() == id_;
}

void ListenerQueue::post(Call call, const void* only) {
  std::lock_guard lock(mutex_);
  if (closed_ || listeners_.empty()) return;
  queue_.push_back({std::move(call), only});
  ++posted_;
  if (!thread_.joinable()) {
    thread_ = std::thread([this] { loop(); });
    id_ = thread_.get_id();
  }
  changed_.notify_all();
}

void ListenerQueue::close() {
  std::unique_lock lock(mutex_);
  closed_ = true;
  changed_.notify_all();
  if (std::this_thread::get_id() == id_) return;
  std::thread ending = std::move(thread_);
  lock.unlock();
  if (ending.joinable()) ending.join();
  lock.lock();
  auto gone = std::exchange(listeners_, {});  // one may hold what this belongs to; destroyed without the lock
  lock.unlock();
}

void ListenerQueue::loop() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [&] { return closed_ || !queue_.empty(); });
    if (queue_.empty()) return;
    Event event = std::move(queue_.front());
    queue_.pop_front();
    std::uint64_t number = told_++;
    std::vector<std::shared_ptr<void>> all;
    for (const Listener& listener : listeners_) {
      if (listener.since <= number && (!event.only || event.only == listener.what.get())) all.push_back(listener.what);
    }
    lock.unlock();
    for (const auto& listener : all) tell(listener, event.call);
    all.clear();
    lock.lock();
  }
}

void ListenerQueue::tell(const std::shared_ptr<void>& listener, const Call& call) {
  {
    std::lock_guard lock(mutex_);
    if (std::none_of(listeners_.begin(), listeners_.end(), [&](const Listener& l) { return l.what == listener; })) return;  // removed meanwhile
    called_ = listener.get();
  }
  try {
    call(listener.get());
  } catch (const std::exception& e) {
    logLine(LogLevel::kError, "a " + kind_ + " threw: " + wordsOf(e));
  } catch (...) {
    logLine(LogLevel::kError, "a " + kind_ + " threw something that is no std::exception");
  }
  std::lock_guard lock(mutex_);
  called_ = nullptr;
  changed_.notify_all();
}

}  // namespace sluice
