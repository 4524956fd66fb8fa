// want: sluice: zipPartitions needs a function that takes (sluice::Iterator<T>&, sluice::Iterator<U>&, ...) and returns a range
#include <sluice/streaming.h>

void snippet(sluice::RDD<int> a, sluice::RDD<int> b) { a.zipPartitions(b, [](int x, int y) { return x + y; }).count(); }
