// The kit without a test framework: it reports by sluice::Error.
#include "hottest.h"

#include <sluice/testing.h>

#include <cstdio>

int main() {
  using namespace sluice::testing;
  try {
    expectBatches<std::string_view>({{"roof 31.5"}}, hottest, {{{"roof", 30}}});
  } catch (const sluice::Error& error) {
    std::printf("%s\n", error.what());
    return 0;
  }
  return 1;
}
