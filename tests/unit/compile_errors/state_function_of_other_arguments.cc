// want: sluice: mapWithState needs a function (key, std::optional<V> value, sluice::State<S>& state) that returns the record
#include <sluice/streaming.h>

void snippet(sluice::DStream<std::pair<std::string, int>> pairs) {
  pairs.mapWithState(sluice::StateSpec::function([](std::string key, int value, sluice::State<int>& state) { return value; })).print();
}
