#include "hottest.h"

#include <gtest/gtest.h>
#include <sluice/testing.h>

using namespace sluice::testing;

TEST(Hottest, OfEachSensorInEachBatch) {
  expectBatches<std::string_view>({{"roof 31.5", "cellar 12", "roof 33"}, {}, {"cellar 13", "no reading"}}, hottest,
                                           {{{"roof", 33}, {"cellar", 12}}, {}, {{"cellar", 13}}});
}
