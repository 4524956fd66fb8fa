// What client/README.md says of Spark's features is shown by tests that exist.
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "tests/layering/feature_table.h"

namespace sluice::layering {
namespace {

std::string textOf(const std::string& path) {
  std::ostringstream all;
  all << std::ifstream(path).rdbuf();
  return all.str();
}

TEST(FeatureTable, EveryRowIsShownByTestsThatExist) {
  std::string section = sectionOf(textOf(SLUICE_SOURCE_DIR "/client/README.md"), "## What Spark has, and where it is here");
  auto checked = checkTable(section, testsBelow(SLUICE_SOURCE_DIR "/tests"));
  EXPECT_GT(checked.rows, 150);
  for (const auto& wrong : checked.wrong) ADD_FAILURE() << wrong;
}

TEST(FeatureTable, WhatIsWrongIsFound) {
  const std::string head = "| Spark | here | shown by |\n| --- | --- | --- |\n";
  const std::set<std::string> tests{"Rdd.Map"};
  auto said = [&](const std::string& rows) {
    std::string all;
    for (const auto& wrong : checkTable(head + rows, tests).wrong) all += wrong.substr(0, wrong.find(": |")) + ";";
    return all;
  };
  EXPECT_EQ(said("| `map` | the same | `Rdd.Map` |\n| `a \\| b`, `c | d` | no | left out: a notion of Java's |\n| pools | | not yet |\n"), "no cell is empty;");
  EXPECT_EQ(said("| `map` | the same | `Rdd.Map`, `Rdd.Nap` |\n"), "there is no test Rdd.Nap;");
  EXPECT_EQ(said("| `map` | the same | of course |\n"), "the last cell names a test, or says 'left out: why' or 'not yet';");
  EXPECT_EQ(said("| `map` | the same | |\n"), "no cell is empty;the last cell names a test, or says 'left out: why' or 'not yet';");
  EXPECT_EQ(said("| `map` | the same |\n"), "a row has three cells;");
  EXPECT_EQ(said("| `map` | the same | left out: |\n"), "the last cell names a test, or says 'left out: why' or 'not yet';");
  EXPECT_EQ(checkTable("| a | b | c |\n| - | - | - |\n", tests).wrong.size(), 1u);
  EXPECT_EQ(checkTable(head + "| `map` | the same | `Rdd.Map` |\n", tests).rows, 1);
}

TEST(FeatureTable, ASectionEndsWithTheNextOfItsLevel) {
  EXPECT_EQ(sectionOf("# a\n## b\nx\n### c\ny\n## d\nz\n", "## b"), "## b\nx\n### c\ny\n");
  EXPECT_EQ(sectionOf("# a\n", "## b"), "");
}

TEST(FeatureTable, TestsAreFoundInTheSources) {
  auto tests = testsBelow(SLUICE_SOURCE_DIR "/tests");
  EXPECT_TRUE(tests.contains("FeatureTable.TestsAreFoundInTheSources"));
  EXPECT_TRUE(tests.contains("compile_error.captured_rdd"));
}

}  // namespace
}  // namespace sluice::layering
