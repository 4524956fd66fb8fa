// want: sluice: intersection and subtract need two RDDs with the same type of records
#include <sluice/streaming.h>

void snippet(sluice::RDD<int> numbers, sluice::RDD<std::string> words) { numbers.intersection(words).map([](int x) { return x; }).count(); }
