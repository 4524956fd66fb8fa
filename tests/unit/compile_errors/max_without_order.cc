// want: sluice: sorting and ranges need keys with operator<; give the key's type one, or sort by a function of it
#include <sluice/streaming.h>

struct Point {
  int x = 0;
  SLUICE_FIELDS(Point, x)
};
void snippet(sluice::RDD<Point> points) { points.max(); }
