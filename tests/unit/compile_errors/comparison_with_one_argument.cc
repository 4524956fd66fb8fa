// want: sluice: max and min take a function less(const T&, const T&) that returns bool
#include <sluice/streaming.h>

void snippet(sluice::RDD<int> numbers) { numbers.max([](int x) { return x; }); }
