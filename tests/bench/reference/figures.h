// The reference programs by themselves: what this machine gives today.
#pragma once
#include "tests/bench/row.h"

namespace sluice::bench {

struct Ping {
  Spread microseconds;  // p50 of each round
  bool twoCores;
};
Ping pingAcrossCores(int rounds);

// p50 of a synced write, in microseconds, by rounds.
Spread syncedWriteMicroseconds(const Settings& settings);

// Prints all of them.
void printReferences(const Settings& settings);

}  // namespace sluice::bench
