// want: sluice: foreachPartitionAsync needs a function that takes sluice::Iterator<T>&
#include <sluice/streaming.h>

void snippet(sluice::RDD<int> numbers) { numbers.foreachPartitionAsync([](int) {}).get(); }
