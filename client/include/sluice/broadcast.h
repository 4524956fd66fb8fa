// A value that every task may read, sent to each executor once (Spark's Broadcast). The handle is a number and may be captured by functions.
//
//   auto names = context.broadcast(std::map<int, std::string>{{1, "one"}, {2, "two"}});
//   auto named = numbers.map([names](int x) { return names->at(x); });
#pragma once
#include <cstdint>
#include <string_view>

#include "sluice/abi.h"
#include "sluice/codec.h"
#include "sluice/error.h"
#include "sluice/operator.h"

namespace sluice {
inline namespace SLUICE_ABI {
namespace detail {

// The driver's copies, by id, so that functions of the driver can read them as well.
SLUICE_EXPORT void putBroadcast(std::uint64_t id, void* value, void (*drop)(void*));
SLUICE_EXPORT void* findBroadcast(std::uint64_t id);  // throws Error(kIllegalState) if it is not there
SLUICE_EXPORT void forgetBroadcast(std::uint64_t id);
SLUICE_EXPORT void unpersistBroadcast(std::uint64_t id, bool blocking);
SLUICE_EXPORT void destroyBroadcast(std::uint64_t id);

template <class T> void dropValue(void* value) { delete static_cast<T*>(value); }

}  // namespace detail

// Made by Context::broadcast. T owns its text: Broadcast<std::map<std::string, int>>. A default-constructed one has no value.
template <class T> class Broadcast {
  static_assert(kEncodable<T> && kOwnable<T>, "sluice: a broadcast value must be encodable; add SLUICE_FIELDS(Type, field, ...) as the last line of its struct");

 public:
  Broadcast() = default;
  explicit Broadcast(std::uint64_t id) : id_(id) {}

  // The value. In tasks: valid as long as the task, so views into it may stand in records; decoded once a task. In the driver: until it is
  // destroyed or its Context stops, and Error(kIllegalState) from then on. Error(kLost) in tasks if no executor has it any more.
  const T& value() const {
    TaskContext* task = currentTask();
    if (!task) return *static_cast<const T*>(detail::findBroadcast(id_));
    void*& slot = task->local(id_, &detail::dropValue<T>);
    if (!slot) slot = new T(decoded<T>(task->broadcast(id_)));
    return *static_cast<const T*>(slot);
  }
  const T& operator*() const { return value(); }
  const T* operator->() const { return &value(); }
  // Executors drop their copies, and fetch it again where it is used. `blocking`: returns when all of them have.
  void unpersist(bool blocking = false) const { detail::unpersistBroadcast(id_, blocking); }
  // It goes everywhere, in the driver as well: jobs that read it afterwards fail. (Of several made from equal values only the last takes the value
  // with it.)
  void destroy() const { detail::destroyBroadcast(id_); }
  std::uint64_t id() const { return id_; }

 private:
  std::uint64_t id_ = 0;
};

}  // inline namespace SLUICE_ABI
}  // namespace sluice
