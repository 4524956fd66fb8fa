// Calls listeners one event after the other, on a thread of its own.
#pragma once
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace sluice {

// Thread-safe. Its thread begins with the first event. A listener hears what was posted after it was added.
class SLUICE_INTERNAL ListenerQueue {
 public:
  using Call = std::function<void(void* listener)>;
  explicit ListenerQueue(std::string kind) : kind_(std::move(kind)) {}
  ~ListenerQueue();
  // False: it is there already.
  bool add(std::shared_ptr<void> listener);
  // When it returned, the listener is not called any more (but for the call that this very thread is in). False: it was not there.
  bool remove(const void* listener);
  bool empty() const;

  // `only`: for this one; null: for all.
  void post(Call call, const void* only = nullptr);
  // Lets the listeners hear what was posted, and nothing more, and lets go of them. On its own thread it does not wait for that.
  void close();
  // Whether the calling thread is the one on which listeners are called.
  bool isMine() const;

 private:
  struct Listener {
    std::shared_ptr<void> what;
    std::uint64_t since = 0;  // the first event that it hears
  };
  struct Event {
    Call call;
    const void* only;
  };
  void loop();
  void tell(const std::shared_ptr<void>& listener, const Call& call);

  const std::string kind_;  // "StreamingListener", for messages
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  // Guarded by mutex_.
  std::vector<Listener> listeners_;
  const void* called_ = nullptr;
  std::deque<Event> queue_;
  std::uint64_t posted_ = 0, told_ = 0;
  bool closed_ = false;
  std::thread thread_;
  std::thread::id id_;
};

}  // namespace sluice
