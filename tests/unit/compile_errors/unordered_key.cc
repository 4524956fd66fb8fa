// want: sluice: this type cannot be a key
#include <sluice/streaming.h>

#include <unordered_set>
void snippet(sluice::RDD<std::pair<std::unordered_set<int>, int>> sets) { sets.reduceByKey(std::plus<>()).count(); }
