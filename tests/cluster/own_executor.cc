// An executable that is its own executor: no sluice-submit, no shared library of the application.
#include <sluice/executor_entry.h>
#include <sluice/sluice.h>

#include <cstdio>

int main(int argc, char** argv) {
  sluice::runIfExecutor(argc, argv);
  sluice::Context context(sluice::Conf().setAppName("own_executor").setMaster(argv[1]));
  int factor = argc;  // captured: travels
  auto tens = context.range(0, 1000, 1, 4).map([factor](std::int64_t n) { return std::pair(n % 10, factor); }).reduceByKey(std::plus<>(), 3);
  std::printf("%zu keys, %d each\n", std::size_t(tens.count()), tens.first().second);
}
