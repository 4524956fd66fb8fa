// What stands behind a Context: a cluster reached over a link, or one inside this process.
#pragma once
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "common/images.h"
#include "common/conf.h"
#include "common/link.h"

namespace sluice {

// Whose tasks a thread may run while it waits, in a cluster of this process. Never a job's that it does not wait for: these may end much later
// than what it waits for, or never.
class Lent {
 public:
  static constexpr Lent toJob(std::uint64_t number) { return Lent(-std::int64_t(number)); }
  static constexpr Lent toBatches() { return Lent(1); }
  static constexpr Lent toNone() { return Lent(0); }
  // `instance`: time of a batch, or minus the number of a job.
  constexpr bool runs(std::int64_t instance) const { return instance > 0 ? of_ > 0 : instance == of_; }
  constexpr bool any() const { return of_ != 0; }

 private:
  explicit constexpr Lent(std::int64_t of) : of_(of) {}
  std::int64_t of_;
};

// How a thread of the driver waits for an answer.
class Waiter {
 public:
  virtual ~Waiter() = default;
  // Returns once ready() holds; it is asked with the lock held, and whoever changes what it looks at notifies `changed`. What runs in
  // this process may use the waiting thread meanwhile, as far as it is lent (the lock is released then).
  virtual void wait(std::unique_lock<std::mutex>& lock, std::condition_variable& changed, Lent lent, const std::function<bool()>& ready) {
    changed.wait(lock, ready);
  }
  // True: functions of the driver (foreachRDD, plans of a batch) run inside wait() rather than on threads of their own.
  virtual bool inlineFunctions() const { return false; }
};

// The driver's end of the backend's link. `lost`: the cluster cannot be reached any more, and why, in one line; everything that waits fails.
class DriverEnd : public LinkHandler {
 public:
  virtual void lost(const std::string& why) = 0;
};

// Owned by one Context; open() and close() are called once each.
class SLUICE_INTERNAL Backend {
 public:
  virtual ~Backend() = default;
  // Starts to deliver to `end` and to connect to the master. Returns at once; onSession tells of the session.
  virtual absl::Status open(DriverEnd& end) = 0;
  // Nothing is delivered after it returned.
  virtual void close() = 0;
  virtual Link& link() = 0;
  virtual Waiter& waiter() = 0;
  virtual ImageTable& images() = 0;  // of the driver's copy of the application
  // Adds what only the backend knows to the submission (the package, the driver's number on a worker).
  virtual void complete(proto::Submit& submit) {}
  // Text of print() and the like.
  virtual void print(std::string_view text);
};

// A backend for the settings' master. Errors are one line each.
SLUICE_INTERNAL absl::Status openBackend(const Settings& settings, std::unique_ptr<Backend>& backend);

}  // namespace sluice
