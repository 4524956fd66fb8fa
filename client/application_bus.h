// Tells listeners of an application what the master tells the driver, and what the driver itself knows.
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>

#include "client/listener_queue.h"
#include "proto/link.pb.h"
#include "sluice/listener.h"

namespace sluice {

// Thread-safe. Costs next to nothing without listeners.
class ApplicationBus {
 public:
  // A listener is told first of the start, and of the executors that are known. False: it is there already.
  bool add(std::shared_ptr<SluiceListener> listener, const SluiceListenerApplicationStart& start);
  // As ListenerQueue's.
  bool remove(const SluiceListener* listener);
  bool empty() const { return queue_.empty(); }
  bool isMine() const { return queue_.isMine(); }

  void take(const proto::AppEvents& events);
  void unpersisted(std::uint32_t rdd);
  // The session with the master is new: what it would have told of jobs that run is not sure to come.
  void sessionBegan();
  // The driver has the answer of a job. `failure` empty: it ended well.
  void answered(std::uint64_t job, const std::string& failure);
  // The last word.
  void end(std::int64_t timeMs);
  void close() { queue_.close(); }

 private:
  struct Job {
    bool answered = false, torn = false;
    std::string failure;
  };
  void take(const proto::AppEvent& event);
  void endJob(std::uint64_t number, const std::string& failure);
  template <class Event> void post(void (SluiceListener::*method)(const Event&), Event event, const SluiceListener* only = nullptr);

  ListenerQueue queue_{"SluiceListener"};
  std::mutex mutex_;
  // Guarded by mutex_, as is the order of what is posted.
  std::map<std::uint64_t, SluiceListenerExecutorAdded> executors_;
  std::map<std::uint64_t, Job> jobs_;     // of whose start was told
  std::set<std::uint64_t> endedHere_;     // of whose end was told without the master's word
  std::int64_t lastMs_ = 0;               // of an event
};

}  // namespace sluice
