// want: sluice: map needs a function that returns the new record
#include <sluice/streaming.h>

void snippet(sluice::RDD<int> numbers) { numbers.map([](int) {}).count(); }
