// want: sluice: this function captures something that cannot travel to the executors as bytes
#include <sluice/streaming.h>

void snippet(sluice::RDD<int> a, sluice::RDD<int> b) { a.map([b](int x) { return x + b.count(); }).count(); }
