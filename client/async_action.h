// Actions in the background: each on a thread, which runs it as any thread of the application would.
#pragma once
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "client/driver.h"
#include "sluice/future_action.h"

namespace sluice {

// As many threads as there are actions under way; those that have nothing to do wait for the next one. Thread-safe.
class AsyncThreads {
 public:
  AsyncThreads();
  ~AsyncThreads() { close(); }
  // False: it is closed.
  bool run(std::function<void()> work);
  // Waits for what runs, but for the calling thread's own work. Nothing more is run.
  void close();

 private:
  struct State;
  std::shared_ptr<State> state_;  // outlives this object where a thread does
};

inline namespace SLUICE_ABI {
namespace detail {

class AsyncAction final : public JobObserver {
 public:
  AsyncAction(ContextRef context, AsyncBody* body, const char* name, CallSite site);
  // The one that the calling thread runs; null: none.
  static AsyncAction*& current();

  void run();  // on its thread
  bool wait(const Duration* atMost);
  AsyncBody& result(const Duration* atMost);
  void cancel(CallSite site);
  bool isCompleted() const;
  bool isCancelled() const;
  std::vector<std::int64_t> jobIds() const;
  ContextRef context() const;  // null once it is over
  void onComplete(std::unique_ptr<AsyncBody> then);
  std::string began(std::uint64_t number) override;

  std::atomic<std::uint32_t> references{0};

 private:
  void callBack(AsyncBody& then) const;

  const std::string what_;  // "countAsync at main.cc:12"
  const std::uint64_t context_;
  const LocalProperties::Ref properties_;
  const std::unique_ptr<AsyncBody> body_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  // Guarded by mutex_.
  ContextRef core_;  // until it is over
  bool done_ = false;
  std::exception_ptr error_;
  std::string cancelledBy_;
  std::vector<std::int64_t> jobs_;
  std::vector<std::unique_ptr<AsyncBody>> then_;
};

}  // namespace detail
}  // inline namespace SLUICE_ABI
}  // namespace sluice
