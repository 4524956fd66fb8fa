// want: sluice: transform needs a function
#include <sluice/streaming.h>

void snippet(sluice::DStream<int> numbers) { numbers.transform([](sluice::RDD<std::string> x) { return x; }).print(); }
