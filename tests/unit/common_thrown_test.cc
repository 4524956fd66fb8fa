#include "common/thrown.h"

#include <gtest/gtest.h>

#include <stdexcept>

#include "sluice/error.h"

namespace sluice {
namespace {

TEST(Thrown, WordsWithTheirTypeWhereItTellsMore) {
  EXPECT_EQ(wordsOf(std::runtime_error("no such customer")), "no such customer");
  EXPECT_EQ(wordsOf(std::logic_error("never")), "never");
  EXPECT_EQ(wordsOf(Error(ErrorKind::kUserCode, "ours")), "ours");
  EXPECT_EQ(wordsOf(std::invalid_argument("stod")), "std::invalid_argument: stod");
  EXPECT_EQ(wordsOf(std::bad_alloc()), "std::bad_alloc");
  EXPECT_EQ(wordsOf(std::out_of_range("")), "std::out_of_range");
}

TEST(Thrown, WhatIsNoExceptionHasAType) {
  try {
    throw 7;
  } catch (...) {
    EXPECT_EQ(nameOfThrown(), "an exception of type int");
  }
}

TEST(Thrown, ThePlaceIsSaidOnce) {
  EXPECT_EQ(withSite("no forty-two", "map at app.cc:7"), "map at app.cc:7: no forty-two");
  EXPECT_EQ(withSite("map at app.cc:7: no forty-two", "map at app.cc:7"), "map at app.cc:7: no forty-two");
  EXPECT_EQ(withSite("partition 2 of map at app.cc:7 is lost", "map at app.cc:7"), "partition 2 of map at app.cc:7 is lost");
  EXPECT_EQ(withSite("no forty-two", ""), "no forty-two");
}

TEST(Thrown, ThePlaceIsLeftOutOnlyWhereItBegins) {
  EXPECT_EQ(withoutSite("map at app.cc:7: no forty-two", "map at app.cc:7"), "no forty-two");
  EXPECT_EQ(withoutSite("map at app.cc:71: no forty-two", "map at app.cc:7"), "map at app.cc:71: no forty-two");
  EXPECT_EQ(withoutSite("partition 2 of map at app.cc:7: lost", "map at app.cc:7"), "partition 2 of map at app.cc:7: lost");
  EXPECT_EQ(withoutSite("no forty-two", ""), "no forty-two");
}

}  // namespace
}  // namespace sluice
