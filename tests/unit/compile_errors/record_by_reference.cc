// want: sluice: this function cannot be called with the records at hand
#include <sluice/streaming.h>

void snippet(sluice::RDD<std::string> lines) { lines.map([](std::string& line) { return line.size(); }).count(); }
