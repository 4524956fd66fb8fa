// want: sluice: groupByKey needs records that are std::pair<K, V>; make them with map or keyBy first
#include <sluice/streaming.h>

// What follows a mistake is not the mistake.
void snippet(sluice::RDD<int> numbers, sluice::RDD<std::pair<int, int>> pairs) {
  auto broken = numbers.groupByKey();
  broken.map([](auto x) { return x; }).filter([](auto) { return true; }).flatMap([](auto x) { return x; }).cache();
  broken.keyBy([](auto x) { return x; }).distinct().sortBy([](auto x) { return x; }).repartition(3).glom();
  pairs.join(broken).cogroup(pairs).leftOuterJoin(pairs).mapValues([](auto x) { return x; });
  broken.collect(), broken.count(), broken.take(3), broken.top(3), broken.first(), broken.countByKey(), broken.countByValue();
  broken.reduce(std::plus<>()), broken.foreach([](auto) {}), broken.foreachPartition([](auto&) {}), broken.saveAsTextFile("x");
  broken.collectAsync().get(), broken.countAsync(), broken.takeAsync(3), broken.foreachAsync([](auto) {}), broken.foreachPartitionAsync([](auto&) {});
  broken.saveAsObjectFile("x"), broken.pipe("cat").collect();
  broken.countApprox(1), broken.countByValueApprox(1), broken.countByKeyApprox(1), broken.sumApprox(1), broken.meanApprox(1);
}
void streams(sluice::DStream<sluice::Broken> broken) {
  broken.window(sluice::Seconds(2)).count().print();
  broken.reduce(std::plus<>()).countByValue().print();
  broken.reduceByKeyAndWindow(std::plus<>(), sluice::Seconds(2)).print();
  broken.reduceByKeyAndWindow(std::plus<>(), std::minus<>(), sluice::Seconds(2)).print();
  broken.updateStateByKey([](auto v, auto s) { return s; }).print();
  broken.transform([](auto x) { return x; }).foreachRDD([](auto) {});
  broken.saveAsTextFiles("x"), broken.saveAsObjectFiles("x"), broken.saveAsRollingTextFiles("x");
}
