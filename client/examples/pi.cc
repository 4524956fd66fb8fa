#include <sluice/sluice.h>

#include <cstdio>
#include <random>

// Estimates pi by throwing points at a square: Pi [PARTITIONS [POINTS-OF-EACH]]
SLUICE_APPLICATION(Pi) {
  sluice::Context context(sluice::Conf().setAppName("Pi"));
  long partitions = args.number(0, 2), points = args.number(1, 1'000'000);
  auto inside = context.range(0, partitions, 1, int(partitions)).map([points](std::int64_t partition) {
    std::mt19937_64 random(std::uint64_t(partition) + 1);
    std::uniform_real_distribution<double> coordinate(-1, 1);
    long hits = 0;
    for (long i = 0; i < points; ++i) {
      double x = coordinate(random), y = coordinate(random);
      hits += x * x + y * y <= 1;
    }
    return hits;
  });
  std::printf("Pi is roughly %f\n", 4.0 * double(inside.reduce(std::plus<>())) / (double(points) * double(partitions)));
}
