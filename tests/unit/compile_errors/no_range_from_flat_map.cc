// want: sluice: flatMap needs a function that returns a range
#include <sluice/streaming.h>

void snippet(sluice::RDD<int> numbers) { numbers.flatMap([](int x) { return x; }).count(); }
