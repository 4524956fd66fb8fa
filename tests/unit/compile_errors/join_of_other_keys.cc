// want: sluice: both sides of a join or cogroup need keys of the same type
#include <sluice/streaming.h>

void snippet(sluice::RDD<std::pair<int, int>> a, sluice::RDD<std::pair<std::string, int>> b) { a.join(b).count(); }
