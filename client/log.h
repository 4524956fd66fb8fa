// What the engine itself says in a driver: lines on stderr that begin with "sluice: ".
#pragma once
#include <string>
#include <string_view>

#include "sluice/abi.h"

namespace sluice {

enum class LogLevel : unsigned char { kAll, kTrace, kDebug, kInfo, kWarn, kError, kFatal, kOff };

// Any thread. A line below the level that is set is dropped.
SLUICE_INTERNAL void logLine(LogLevel level, const std::string& line);
SLUICE_INTERNAL void setLogLevel(LogLevel level);
// By its name, in whatever case; false: there is none.
SLUICE_INTERNAL bool parseLogLevel(std::string_view name, LogLevel& level);

}  // namespace sluice
