// want: sluice: this type cannot be stored or sent; add SLUICE_FIELDS(Type, field, ...) as the last line of its struct
#include <sluice/streaming.h>

struct Point { int x, y; };
void snippet(sluice::RDD<int> numbers) { numbers.map([](int x) { return Point{x, x}; }).collect(); }
