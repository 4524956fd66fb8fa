// HyperLogLog as it travels: damaged rows are refused, whole ones can be used; and the same values give the same estimate, however cut.
#include <vector>

#include "sluice/codec.h"
#include "sluice/error.h"
#include "sluice/hyper_log_log.h"
#include "tests/fuzz/fuzz.h"

namespace {

using namespace sluice;  // NOLINT

void hostile(std::string_view bytes) {
  try {
    auto sketch = decoded<HyperLogLog>(bytes);
    fuzz::require(sketch.estimate() >= 0, "an estimate is a number");
    fuzz::require(encoded(decoded<HyperLogLog>(encoded(sketch))) == encoded(sketch), "what is written is read back");
    auto twice = sketch;
    twice.merge(sketch);
    fuzz::require(twice.estimate() == sketch.estimate(), "the same again changes nothing");
    for (std::uint64_t hash : {std::uint64_t(0), ~std::uint64_t(0), std::uint64_t(0x1234567890abcdef)}) twice.addHash(hash);
    twice.merge(sketch);
    twice.estimate();
  } catch (const Error& error) {
    fuzz::require(error.kind() == ErrorKind::kLost, "damaged rows are told as lost");
  }
}

void parts(fuzz::Input& in) {
  int p = 4 + in.byte() % 6, sparse = in.byte() % 26;
  if (sparse != 0 && sparse < p) sparse = p;
  HyperLogLog whole(p, sparse), dense(p, 0), merged(p, sparse), part(p, sparse);
  std::size_t each = std::size_t(in.byte()) + 16, n = 0;
  while (!in.empty()) {
    std::uint64_t hash = in.number();
    for (int more = in.byte() % 8; more >= 0; --more, hash = hash * 0x9e3779b97f4a7c15 + 1) {
      whole.addHash(hash), dense.addHash(hash), part.addHash(hash);
      if (++n % each != 0) continue;
      part.merge(merged);
      merged = decoded<HyperLogLog>(encoded(part));
      part = HyperLogLog(p, sparse);
    }
  }
  merged.merge(part);
  fuzz::require(merged.estimate() == whole.estimate(), "parts give what the whole gives");
  dense.merge(whole);
  HyperLogLog again(p, 0);
  again.merge(dense);
  fuzz::require(again.estimate() == dense.estimate(), "both forms come together");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input in(data, size);
  std::uint8_t mode = in.byte();
  if (mode % 2 == 1) return parts(in), 0;
  hostile(in.rest());
  return 0;
}
