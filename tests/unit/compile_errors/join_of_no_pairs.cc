// want: sluice: join needs records that are std::pair<K, V>; make them with map or keyBy first
#include <sluice/streaming.h>

void snippet(sluice::RDD<std::pair<int, int>> pairs, sluice::RDD<int> numbers) { pairs.join(numbers).collect(); }
