// want: sluice: stats needs records that are numbers; map to numbers first
#include <sluice/streaming.h>

void snippet(sluice::RDD<std::string> words) { words.mean(); }
