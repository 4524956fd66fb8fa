// Captured bytes of operators, as an executor gets them.
#include <map>
#include <vector>

#include "sluice/ops.h"
#include "tests/fuzz/fuzz.h"

using namespace sluice;  // NOLINT

namespace {

struct Scale {
  std::string name;
  double by = 1;
  SLUICE_FIELDS(Scale, name, by)
  double operator()(double x) const { return x * by; }
};

template <class Op> void make(std::string_view captures) {
  try {
    delete Op::make(captures.data(), captures.size());
  } catch (const Error& error) {
    fuzz::require(error.kind() == ErrorKind::kLost, "damaged captures are told as lost");
  }
}

int twice(int x) { return 2 * x; }

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const int factor = 3;
  auto raw = [factor = factor](int x) { return x * factor; };
  auto model = with([](int x, const std::map<std::string, std::vector<int>>& m) { return x + int(m.size()); }, std::map<std::string, std::vector<int>>());
  using Words = std::vector<std::string>;
  auto add = with([](Words seen, int, const std::map<std::string, std::vector<int>>&) { return seen; }, std::map<std::string, std::vector<int>>());
  fuzz::Input in(data, size);
  std::uint8_t which = in.byte();
  std::string_view captures = in.rest();
  switch (which % 5) {
    case 0: make<ops::Map<int, int, decltype(raw)>>(captures); break;
    case 1: make<ops::Map<int, int, decltype(model)>>(captures); break;
    case 2: make<ops::Map<double, double, Scale>>(captures); break;
    case 3: make<ops::Map<int, int, decltype(&twice)>>(captures); break;
    case 4: make<ops::Aggregate<int, Words, decltype(add)>>(captures); break;
  }
  return 0;
}
