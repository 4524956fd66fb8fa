#include <sluice/streaming.h>

// Counts the last digits of the numbers of RDDs that the program itself makes: QueueStream [RDDS]
SLUICE_APPLICATION(QueueStream) {
  sluice::StreamingContext ssc(sluice::Conf().setAppName("QueueStream"), sluice::Seconds(1));
  sluice::RDDQueue<std::int64_t> queue;
  ssc.queueStream(queue)
      .map([](std::int64_t n) { return std::pair(n % 10, 1L); })
      .reduceByKey(std::plus<>())
      .print();
  ssc.start();
  long rdds = args.number(0, 30);
  for (long i = 0; i < rdds; ++i) {
    queue.push(ssc.context().range(1, 1001, 1, 10));
    if (ssc.awaitTerminationOrTimeout(sluice::Seconds(1))) return;
  }
  ssc.stop(true, true);
}
