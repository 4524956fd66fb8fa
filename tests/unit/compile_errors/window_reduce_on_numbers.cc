// want: sluice: reduceByKeyAndWindow needs records that are std::pair<K, V>; make them with map or keyBy first
#include <sluice/streaming.h>

void snippet(sluice::DStream<int> numbers) { numbers.reduceByKeyAndWindow(std::plus<>(), sluice::Seconds(2)).print(); }
