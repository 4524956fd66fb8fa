// want: sluice: this type cannot be shuffled; add SLUICE_FIELDS(Type, field, ...) as the last line of its struct
#include <sluice/streaming.h>

struct Point { int x, y; };
void snippet(sluice::RDD<int> numbers) { numbers.map([](int x) { return std::pair(x, Point{x, x}); }).groupByKey().count(); }
