// want: sluice: sumApprox and meanApprox need an RDD of numbers; make them with map first
#include <sluice/streaming.h>

void snippet(sluice::RDD<std::string> lines) { lines.meanApprox(100).initialValue(); }
