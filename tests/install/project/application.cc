#include "hottest.h"

// Prints the hottest reading of each sensor in a folder's files: Telemetry FOLDER
SLUICE_APPLICATION(Telemetry, "FOLDER") {
  sluice::StreamingContext ssc(sluice::Conf().setAppName("Telemetry"), sluice::Milliseconds(100));
  hottest(ssc.textFileStream(args.at(0), false)).foreachRDD([&](const sluice::RDD<Reading>& rdd) {
    for (const Reading& hot : rdd.collect()) {
      std::printf("%s %.1f\n", hot.sensor.c_str(), hot.degrees);
      std::fflush(stdout);
    }
  });
  ssc.start();
  ssc.awaitTermination();
}
