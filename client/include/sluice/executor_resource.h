// Resources that functions of the application use in tasks, and that outlive the task: connections, clients, loaded models. Each executor keeps
// its own, by key, makes them when they are first asked for, and closes (deletes) them when nobody has used them for a while, or when it ends.
//
//   #include <sluice/executor_resource.h>
//   struct Connection {
//     explicit Connection(const char* address) { std::printf("connected to %s\n", address); }
//     bool send(const std::string& order) { return std::printf("%s\n", order.c_str()) > 0; }
//   };
//   void sendAll(const sluice::RDD<std::string>& orders) {
//     orders.foreachPartition([](auto& records) {
//       auto connection = sluice::executorResource("orders-db", [] { return Connection("db:5432"); });
//       for (const auto& order : records) {
//         if (!connection->send(order)) {
//           connection.discard();  // the next one who asks gets a new one
//           throw std::runtime_error("the connection broke");
//         }
//       }
//     });  // goes back here: the next task of this executor goes on with it
//   }
//
// In local mode, too, each executor has its own.
#pragma once
#include <memory>
#include <string_view>
#include <type_traits>
#include <typeinfo>
#include <utility>

#include "sluice/abi.h"
#include "sluice/operator.h"
#include "sluice/resource_host.h"

namespace sluice {
inline namespace SLUICE_ABI {
namespace detail {

// Throws Error(kIllegalState) outside tasks.
SLUICE_EXPORT ResourceHost& resourceHost(std::string_view key);
// In a catch block: says of which resource.
[[noreturn]] SLUICE_EXPORT void throwNotMade(std::string_view key);
[[noreturn]] SLUICE_EXPORT void throwMadeNothing();
ResourceHost::Held& noResource();  // after a compile error

// What a function that makes resources gives: T, or std::unique_ptr<T>.
template <class R> struct MadeBy {
  using Type = R;
  template <class Make> static R* of(Make& make) { return new R(make()); }  // T need not be movable
};
template <class T> struct MadeBy<std::unique_ptr<T>> {
  using Type = T;
  template <class Make> static T* of(Make& make) {
    T* made = make().release();
    if (!made) throwMadeNothing();
    return made;
  }
};

}  // namespace detail

// The use of a resource, until the end of its scope. It must end with its task.
template <class T> class ResourceLease {
 public:
  ResourceLease(ResourceHost& host, ResourceHost::Held& held) : host_(&host), held_(&held) {}
  ResourceLease(ResourceLease&& other) noexcept : host_(other.host_), held_(std::exchange(other.held_, nullptr)), broken_(other.broken_) {}
  ResourceLease& operator=(ResourceLease&& other) noexcept {
    std::swap(host_, other.host_), std::swap(held_, other.held_), std::swap(broken_, other.broken_);
    return *this;
  }
  ~ResourceLease() {
    if (held_) host_->giveBack(*held_, broken_);
  }

  T& operator*() const { return *static_cast<T*>(held_->value); }
  T* operator->() const { return static_cast<T*>(held_->value); }
  // It is not to be used again: at the end of the scope it is closed (a shared one when the last who uses it ends), and made anew for the next.
  void discard() { broken_ = true; }

 private:
  ResourceHost* host_;
  ResourceHost::Held* held_;  // null: moved from
  bool broken_ = false;
};

// The resource of this executor by this key, for this task alone unless the policy says that it is shared; made by `make`, which returns a T or a
// std::unique_ptr<T>, where there is none that is free. T's destructor closes it. Throws Error: outside tasks, if the key stands for another type,
// or if this task holds as many as there may be (kIllegalState), and what `make` threw (kUserCode).
template <class Make> auto executorResource(std::string_view key, Make make, ResourcePolicy policy = {}) {
  using Result = std::remove_cvref_t<std::invoke_result_t<Make&>>;
  if constexpr (std::is_void_v<Result>) {
    static_assert(!std::is_void_v<Result>, "sluice: the function given to executorResource returns nothing; return the resource, or a std::unique_ptr to it");
    return ResourceLease<int>(detail::resourceHost(key), detail::noResource());
  } else {
    using Made = detail::MadeBy<Result>;
    using T = typename Made::Type;
    ResourceHost& host = detail::resourceHost(key);
    ResourceHost::Type type{&typeid(T), nullptr, [](void* value) { delete static_cast<T*>(value); }};
    ResourceHost::Held& held = host.take(key, type, policy, *currentTask());
    if (!held.value) {
      T* value = nullptr;
      try {
        value = Made::of(make);
      } catch (...) {
        host.giveBack(held, true);
        detail::throwNotMade(key);
      }
      host.made(held, value);
    }
    return ResourceLease<T>(host, held);
  }
}

}  // inline namespace SLUICE_ABI
}  // namespace sluice
