// want: sluice: lookup needs records that are std::pair<K, V>; make them with map or keyBy first
#include <sluice/streaming.h>

void snippet(sluice::RDD<int> numbers) { numbers.lookup({}); }
