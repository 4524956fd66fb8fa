// want: sluice: transform needs a function (const std::vector<RDD<T>>&) or (const std::vector<RDD<T>>&, sluice::Time) that returns an RDD
#include <sluice/streaming.h>

void snippet(sluice::StreamingContext& ssc, std::vector<sluice::DStream<int>> streams) {
  ssc.transform(streams, [](sluice::RDD<int> rdd) { return rdd; }).print();
}
