// want: sluice: reduceByKey needs records that are std::pair<K, V>; make them with map or keyBy first
#include <sluice/streaming.h>

void snippet(sluice::DStream<std::string_view> lines) { lines.reduceByKey(std::plus<>()).print(); }
