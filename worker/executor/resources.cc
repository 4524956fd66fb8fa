#include "worker/executor/resources.h"

#include <cxxabi.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>

#include "sluice/error.h"

namespace sluice::executor {

namespace {

constexpr std::chrono::milliseconds kLook{20};  // how often one who waits looks whether its task was cancelled

std::string named(std::string_view key) { return "executorResource '" + std::string(key) + "': "; }

std::string nameOf(const ResourceHost::Type& type) {
  if (type.name) return type.name;
  int status = 0;
  char* text = abi::__cxa_demangle(type.id->name(), nullptr, nullptr, &status);
  std::string name = text ? text : type.id->name();
  std::free(text);
  return name;
}

}  // namespace

ResourceHost::Held& Resources::take(std::string_view key, const Type& type, const ResourcePolicy& policy, TaskContext& task) {
  std::unique_lock lock(mutex_);
  for (;;) {
    auto it = pools_.find(key);
    if (it == pools_.end()) it = pools_.try_emplace(std::string(key)).first, it->second.type = type;
    Pool& pool = it->second;
    if (*pool.type.id != *type.id) {
      throwError(ErrorKind::kIllegalState, named(key) + "it stands for the type " + nameOf(pool.type) + " in this executor, and is asked for as " + nameOf(type) +
                                               "; use another key");
    }
    pool.idle = policy.idle;
    if (policy.shared) {
      if (!pool.shared) return add(pool, task, true);
      if (pool.shared->value) {
        ++pool.shared->users;
        return *pool.shared;
      }
    } else {
      if (!pool.free.empty()) {
        One& one = *pool.free.back();
        pool.free.pop_back();
        one.holder = &task, one.users = 1, one.since.reset();
        return one;
      }
      auto mine = [&](const One& one) { return one.holder == &task; };
      int all = int(std::count_if(pool.all.begin(), pool.all.end(), [](const One& one) { return one.holder != nullptr; }));
      if (policy.most <= 0 || all < policy.most) return add(pool, task, false);
      if (std::count_if(pool.all.begin(), pool.all.end(), mine) >= policy.most) {
        throwError(ErrorKind::kIllegalState, named(key) + "this task holds all " + std::to_string(policy.most) +
                                                 " that there may be; let go of one before it takes another, or raise `most`");
      }
    }
    if (task.cancelled()) throwError(ErrorKind::kCancelled, named(key) + "the task was cancelled while it waited for one");
    returned_.wait_for(lock, kLook);
  }
}

Resources::One& Resources::add(Pool& pool, const TaskContext& task, bool shared) {
  One& one = pool.all.emplace_back();
  one.pool = &pool, one.users = 1;
  if (shared) pool.shared = &one;
  else one.holder = &task;
  return one;
}

void Resources::made(Held& held, void* value) {
  std::lock_guard lock(mutex_);
  held.value = value;
  returned_.notify_all();
}

void Resources::giveBack(Held& held, bool broken) noexcept {
  std::vector<Closing> closing;
  {
    std::lock_guard lock(mutex_);
    auto& one = static_cast<One&>(held);
    Pool& pool = *one.pool;
    --one.users, one.since.reset();
    if (broken) one.current = false;
    if (broken && pool.shared == &one) pool.shared = nullptr;
    if (one.users == 0 && !one.current) {
      remove(one, closing);
    } else if (one.holder) {
      one.holder = nullptr;
      pool.free.push_back(&one);
    }
    returned_.notify_all();
  }
  close(closing);
}

void Resources::remove(One& one, std::vector<Closing>& closing) {
  Pool& pool = *one.pool;
  if (one.value) closing.push_back({one.value, pool.type.close});
  if (pool.shared == &one) pool.shared = nullptr;
  std::erase(pool.free, &one);
  pool.all.remove_if([&](const One& other) { return &other == &one; });
  if (pool.all.empty()) std::erase_if(pools_, [&](const auto& entry) { return &entry.second == &pool; });  // the key is free for another type
}

template <class Test> std::vector<Resources::Closing> Resources::removeUnused(Test test) {
  std::vector<One*> unused;
  for (auto& [key, pool] : pools_) {
    for (One& one : pool.all) {
      if (one.users == 0 && test(one)) unused.push_back(&one);
    }
  }
  std::vector<Closing> closing;
  for (One* one : unused) remove(*one, closing);
  return closing;
}

void Resources::close(const std::vector<Closing>& closing) {
  for (const Closing& one : closing) one.close(one.value);
}

std::optional<Moment> Resources::due(Moment now) {
  std::optional<Moment> next;
  std::lock_guard lock(mutex_);
  for (auto& [key, pool] : pools_) {
    for (One& one : pool.all) {
      if (one.users > 0) one.since.reset();
      else if (!one.since) one.since = now;
      if (!one.since || pool.idle.milliseconds() <= 0) continue;
      Moment at = *one.since + pool.idle;
      if (!next || at < *next) next = at;
    }
  }
  return next;
}

void Resources::closeIdle(Moment now) {
  std::vector<Closing> closing;
  {
    std::lock_guard lock(mutex_);
    closing = removeUnused([&](const One& one) { return one.since && one.pool->idle.milliseconds() > 0 && !(now < *one.since + one.pool->idle); });
  }
  close(closing);
}

void Resources::closeAll() {
  std::vector<Closing> closing;
  {
    std::lock_guard lock(mutex_);
    closing = removeUnused([](const One&) { return true; });
  }
  close(closing);
}

}  // namespace sluice::executor
