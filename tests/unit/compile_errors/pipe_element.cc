// want: sluice: the second hook of pipe, printRDDElement, takes a record and sluice::PipeInput&, and gives it lines
#include <sluice/sluice.h>

void snippet(sluice::RDD<int> numbers) { numbers.pipe({"cat"}, {}, [](sluice::PipeInput&) {}, [](int x) { return x; }); }
