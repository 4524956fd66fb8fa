// The template of conf/sluice-defaults.conf names settings that exist, with values they take.
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>
#include <string>

#include "common/conf.h"

namespace sluice {
namespace {

TEST(ConfTemplate, EveryLineHoldsOnceItIsNoComment) {
  std::ifstream in(SLUICE_SOURCE_DIR "/deploy/conf/sluice-defaults.conf.template");
  int settings = 0;
  for (std::string line; std::getline(in, line);) {
    if (line.rfind("#sluice.", 0) != 0) continue;
    ++settings;
    std::istringstream words(line.substr(1));
    std::string key, value;
    words >> key >> value;
    Settings conf;
    absl::Status status = conf.set(key, value, ConfOrigin::kFile, "template");
    EXPECT_TRUE(status.ok()) << status.ToString();
    EXPECT_TRUE(conf.warnings().empty()) << key;
  }
  EXPECT_GT(settings, 5);
}

}  // namespace
}  // namespace sluice
