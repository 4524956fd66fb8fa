// want: sluice: getOrCreate needs a function without parameters that returns a StreamingContext
#include <sluice/streaming.h>

void snippet() { auto context = sluice::StreamingContext::getOrCreate("/tmp/x", [] {}); }
