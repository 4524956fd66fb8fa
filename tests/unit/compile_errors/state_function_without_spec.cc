// want: sluice: mapWithState takes a StateSpec; write mapWithState(sluice::StateSpec::function(f))
#include <sluice/streaming.h>

void snippet(sluice::DStream<std::pair<std::string, int>> pairs) {
  pairs.mapWithState([](std::string key, std::optional<int> value, sluice::State<int>& state) { return 1; }).print();
}
