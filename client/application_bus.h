// Tells listeners of an application what the master tells the driver, and what the driver itself knows.
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "client/listener_queue.h"
#include "proto/link.pb.h"
#include "sluice/listener.h"

namespace sluice {

// Thread-safe. Costs next to nothing without listeners.
class SLUICE_INTERNAL ApplicationBus {
 public:
  // A listener is told first of the start, and of the executors that are known. False: it is there already.
  bool add(std::shared_ptr<SluiceListener> listener, const SluiceListenerApplicationStart& start);
  // As ListenerQueue's.
  bool remove(const SluiceListener* listener) { return queue_.remove(listener); }
  // Nobody listens, and the master is told so: what comes until it tells anew what there is does not count.
  void forget();
  bool empty() const { return queue_.empty(); }
  bool isMine() const { return queue_.isMine(); }

  void take(const proto::AppEvents& events);
  void unpersisted(std::uint32_t rdd);
  // The driver has the answer of a job. `failure` empty: it ended well.
  void answered(std::uint64_t job, const std::string& failure);
  // Likewise of a batch, and of those before it.
  void batchDone(std::int64_t whenMs, const std::string& error);
  // The last word.
  void end(std::int64_t timeMs);
  void close() { queue_.close(); }

 private:
  using JobKey = std::pair<std::uint64_t, std::int64_t>;  // its number, or 0 and the time of a batch
  struct Job {
    bool answered = false, torn = false;  // torn: the session in which the master told of its start is gone, and it says no more of it
    std::string failure;
  };
  void begin(const proto::AppEvents& events);
  void take(const proto::AppEvent& event);
  void answered(std::map<JobKey, Job>::iterator job, const std::string& failure);
  void endJob(std::map<JobKey, Job>::iterator job, const std::string& failure);
  template <class Event> void post(void (SluiceListener::*method)(const Event&), Event event, const SluiceListener* only = nullptr);

  ListenerQueue queue_{"SluiceListener"};
  std::mutex mutex_;
  // Guarded by mutex_, as is the order of what is posted.
  std::map<std::uint64_t, SluiceListenerExecutorAdded> executors_;
  std::map<JobKey, Job> jobs_;  // of whose start was told, and of whose end was not
  bool begun_ = false;          // the master has told what there is
  std::int64_t lastMs_ = 0;     // of an event
};

}  // namespace sluice
