// want: sluice: a value given to sluice::with cannot be encoded; if it is an accumulator or another handle, let the function capture it
#include <sluice/streaming.h>

void snippet(sluice::Context& sc, sluice::RDD<int> numbers) {
  auto sum = sc.longAccumulator("sum");
  numbers.foreach(sluice::with([](int x, auto& sum) { sum.add(x); }, sum));
}
