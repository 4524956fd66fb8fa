#include "common/fail_point.h"

#include <signal.h>
#include <unistd.h>

#include <charconv>
#include <chrono>
#include <cstdlib>
#include <map>
#include <thread>

#include "common/mutex.h"

namespace sluice {

std::atomic<int> armedFailPoints{0};

namespace {

struct Armed {
  FailPointAction action;
  int hits = 0;
};

struct Points {
  Mutex mutex;
  std::map<std::string, Armed, std::less<>> all GUARDED_BY(mutex);
};

Points& points() {
  static Points& instance = *new Points;  // reached until the very end of the process
  return instance;
}

bool takeNumber(std::string_view& text, int& number) {
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || number < 0) return false;
  text.remove_prefix(std::size_t(end - text.data()));
  return true;
}

bool parseAction(std::string_view text, FailPointAction& action) {
  if (std::size_t colon = text.find(':'); colon != std::string_view::npos) {
    std::string_view skip = text.substr(0, colon);
    if (!takeNumber(skip, action.skip) || !skip.empty()) return false;
    text.remove_prefix(colon + 1);
  }
  if (std::size_t star = text.find('*'); star != std::string_view::npos) {
    std::string_view times = text.substr(star + 1);
    action.times = 0;
    if (!times.empty() && (!takeNumber(times, action.times) || !times.empty())) return false;
    text = text.substr(0, star);
  }
  if (text == "fail") {
    action.kind = FailPointAction::Kind::kFail;
  } else if (text == "kill") {
    action.kind = FailPointAction::Kind::kKill;
  } else if (text.starts_with("delay(") && text.ends_with(')')) {
    action.kind = FailPointAction::Kind::kDelay;
    std::string_view ms = text.substr(6, text.size() - 7);
    return takeNumber(ms, action.delayMs) && ms.empty();
  } else {
    return false;
  }
  return true;
}

}  // namespace

void armFailPoint(std::string_view name, FailPointAction action) {
  Points& p = points();
  MutexLock lock(p.mutex);
  auto [it, fresh] = p.all.insert_or_assign(std::string(name), Armed{std::move(action), 0});
  if (fresh) armedFailPoints.fetch_add(1, std::memory_order_relaxed);
}

void disarmFailPoint(std::string_view name) {
  Points& p = points();
  MutexLock lock(p.mutex);
  auto it = p.all.find(name);
  if (it == p.all.end()) return;
  p.all.erase(it);
  armedFailPoints.fetch_sub(1, std::memory_order_relaxed);
}

int failPointHits(std::string_view name) {
  Points& p = points();
  MutexLock lock(p.mutex);
  auto it = p.all.find(name);
  return it == p.all.end() ? 0 : it->second.hits;
}

bool reachFailPoint(std::string_view name) {
  FailPointAction action;
  {
    Points& p = points();
    MutexLock lock(p.mutex);
    auto it = p.all.find(name);
    if (it == p.all.end()) return false;
    int hit = it->second.hits++ - it->second.action.skip;
    if (hit < 0 || (it->second.action.times != 0 && hit >= it->second.action.times)) return false;
    action = it->second.action;
  }
  switch (action.kind) {
    case FailPointAction::Kind::kFail:
      return true;
    case FailPointAction::Kind::kKill:
      ::kill(::getpid(), SIGKILL);
      return false;
    case FailPointAction::Kind::kDelay:
      std::this_thread::sleep_for(std::chrono::milliseconds(action.delayMs));
      return false;
    case FailPointAction::Kind::kCall:
      return action.call();
  }
  return false;
}

absl::Status armFailPoints(std::string_view text) {
  while (!text.empty()) {
    std::size_t end = std::min(text.find(';'), text.size());
    std::string_view one = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (one.empty()) continue;
    std::size_t equals = one.find('=');
    FailPointAction action;
    if (equals == std::string_view::npos || equals == 0 || !parseAction(one.substr(equals + 1), action)) {
      return absl::InvalidArgumentError("fail point \"" + std::string(one) +
                                        "\" is not of the form name=[skip:]fail|kill|delay(ms)[*times]");
    }
    armFailPoint(one.substr(0, equals), std::move(action));
  }
  return absl::OkStatus();
}

absl::Status armFailPointsFromEnvironment() {
  const char* text = std::getenv("SLUICE_FAIL_POINTS");
  return text ? armFailPoints(text) : absl::OkStatus();
}

}  // namespace sluice
