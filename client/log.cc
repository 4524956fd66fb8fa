#include "client/log.h"

#include <atomic>
#include <cstdio>

#include "common/conf.h"

namespace sluice {
namespace {

std::atomic<LogLevel> lowest{LogLevel::kInfo};

}  // namespace

void logLine(LogLevel level, const std::string& line) {
  if (level >= lowest.load(std::memory_order_relaxed)) std::fprintf(stderr, "sluice: %s\n", line.c_str());
}

void setLogLevel(LogLevel level) { lowest = level; }

bool parseLogLevel(std::string_view name, LogLevel& level) {
  constexpr const char* kNames[] = {"ALL", "TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL", "OFF"};
  for (std::size_t i = 0; i < std::size(kNames); ++i) {
    if (!isWord(name, kNames[i])) continue;
    level = LogLevel(i);
    return true;
  }
  return false;
}

}  // namespace sluice
