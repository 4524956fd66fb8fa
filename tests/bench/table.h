// Prints rows as they are measured.
#pragma once
#include <cstdio>

#include "tests/bench/row.h"

namespace sluice::bench {

enum class Verdict { kAim, kMust, kMissed, kAbsent, kFailed };

void printHead(std::FILE* to);
// One line for the row, its notes below it.
Verdict printRow(std::FILE* to, const Row& row, const Outcome& outcome);
Verdict printFailure(std::FILE* to, const Row& row, const std::string& why);

}  // namespace sluice::bench
