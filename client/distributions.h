// Quantiles of the distributions that estimators of partial results need. Pure functions; p is between 0 and 1, which give the ends.
#pragma once
#include "sluice/abi.h"

namespace sluice {

SLUICE_INTERNAL double normalQuantile(double p);
// Student's t; degrees > 0.
SLUICE_INTERNAL double studentQuantile(double p, double degrees);
// The smallest k for which at most k failures come before `successes` ones with probability >= p (0 < chance <= 1).
SLUICE_INTERNAL double pascalQuantile(double p, double successes, double chance);
// The smallest k with P(X <= k) >= p.
SLUICE_INTERNAL double poissonQuantile(double p, double mean);

}  // namespace sluice
