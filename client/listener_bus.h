// Tells listeners of a stream what the master tells the driver, on a thread of its own.
#pragma once
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "proto/link.pb.h"
#include "sluice/streaming_listener.h"

namespace sluice {

// Thread-safe. Its thread begins with the first event.
class ListenerBus {
 public:
  ~ListenerBus();
  // Not owned. False: it is there already.
  bool add(StreamingListener* listener);
  // When it returned, the listener is not called any more (but for the call that this very thread is in). False: it was not there.
  bool remove(StreamingListener* listener);
  bool empty() const;

  void post(const proto::StreamEvent& event);
  // Lets the listeners hear what was posted, and nothing more. On its own thread it does not wait for that.
  void close();
  // Whether the calling thread is the one on which listeners are called.
  bool isMine() const;

 private:
  void loop();
  void tell(const proto::StreamEvent& event);
  void call(StreamingListener* listener, const std::function<void(StreamingListener&)>& what);

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<StreamingListener*> listeners_;
  StreamingListener* called_ = nullptr;
  std::deque<proto::StreamEvent> queue_;
  bool closed_ = false;
  std::thread thread_;
  std::thread::id id_;
};

}  // namespace sluice
