// want: sluice: this function captures something that cannot travel to the executors as bytes
#include <sluice/streaming.h>

void snippet(sluice::RDD<int> numbers, std::string name) { numbers.map([name](int x) { return name + std::to_string(x); }).count(); }
