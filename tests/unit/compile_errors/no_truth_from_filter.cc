// want: sluice: filter needs a function that takes const T&, T or auto and returns bool
#include <sluice/streaming.h>

void snippet(sluice::RDD<int> numbers) { numbers.filter([](int) {}).count(); }
