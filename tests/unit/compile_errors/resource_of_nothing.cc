// want: sluice: the function given to executorResource returns nothing; return the resource, or a std::unique_ptr to it
#include <sluice/executor_resource.h>
#include <sluice/sluice.h>

void send(const sluice::RDD<int>& numbers) {
  numbers.foreachPartition([](auto&) { sluice::executorResource("db", [] {}); });
}
