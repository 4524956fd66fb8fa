// Tells listeners of a stream what the master tells the driver, on a thread of its own.
#pragma once
#include "client/listener_queue.h"
#include "proto/link.pb.h"
#include "sluice/streaming_listener.h"

namespace sluice {

// Thread-safe.
class ListenerBus {
 public:
  // Not owned. False: it is there already.
  bool add(StreamingListener* listener);
  // As ListenerQueue's.
  bool remove(StreamingListener* listener) { return queue_.remove(listener); }
  bool empty() const { return queue_.empty(); }
  void post(const proto::StreamEvent& event);
  void close() { queue_.close(); }
  bool isMine() const { return queue_.isMine(); }

 private:
  static void tell(const proto::StreamEvent& event, StreamingListener& listener);
  ListenerQueue queue_{"StreamingListener"};
};

}  // namespace sluice
