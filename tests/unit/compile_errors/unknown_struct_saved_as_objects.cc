// want: sluice: this type cannot be stored or sent; add SLUICE_FIELDS(Type, field, ...) as the last line of its struct
#include <sluice/sluice.h>

struct Unknown { int x; };
void snippet(sluice::RDD<Unknown> records) { records.saveAsObjectFile("out"); }
