// want: sluice: the first hook of pipe, printPipeContext, takes sluice::PipeInput& and gives it lines
#include <sluice/sluice.h>

void snippet(sluice::RDD<int> numbers) {
  numbers.pipe({"cat"}, {}, [](int) {}, [](int x, sluice::PipeInput& print) { print(std::to_string(x)); });
}
