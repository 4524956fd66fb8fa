// main() of tests that use the kit: the executable is its own executor when a cluster of processes needs one.
#include <gtest/gtest.h>

#include "sluice/executor_entry.h"

int main(int argc, char** argv) {
  sluice::runIfExecutor(argc, argv);
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
