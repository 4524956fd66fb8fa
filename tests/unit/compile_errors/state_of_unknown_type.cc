// want: sluice: updateStateByKey cannot tell the state
#include <sluice/streaming.h>

void snippet(sluice::DStream<std::pair<int, int>> pairs) { pairs.updateStateByKey([](auto values, auto state) { return state; }).print(); }
