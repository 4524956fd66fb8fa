// want: sluice: sampleByKey needs records that are std::pair<K, V>; make them with map or keyBy first
#include <sluice/streaming.h>

void snippet(sluice::RDD<int> numbers) { numbers.sampleByKey(false, {}).count(); }
