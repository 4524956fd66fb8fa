// Word count as an application writes it, on any master.
#pragma once
#include <string>
#include <utility>
#include <vector>

#include "sluice/context.h"

namespace sluice::bench {

using EngineCounts = std::vector<std::pair<std::string, long>>;

// A context of this executable, named after the benchmarks.
Context benchContext(const std::string& master);

EngineCounts countWithEngine(Context& context, const std::string& path);

// Throws std::runtime_error when the engine's counts are not those of the plain program.
void checkCounts(const EngineCounts& counts, std::string_view text);

}  // namespace sluice::bench
