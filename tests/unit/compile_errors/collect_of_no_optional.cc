// want: sluice: collect(f) needs a function that returns a std::optional; collect() without one brings the records to the driver
#include <sluice/streaming.h>

void snippet(sluice::RDD<int> numbers) { numbers.collect([](int x) { return x + 1; }).count(); }
