// want: sluice: the filter of textFileStream takes the path of a file as std::string_view and returns bool
#include <sluice/streaming.h>

void snippet(sluice::StreamingContext& ssc) { ssc.textFileStream("in", [](int size) { return size > 3; }); }
