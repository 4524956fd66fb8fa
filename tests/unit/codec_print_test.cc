// Values as Spark prints them.
#include <gtest/gtest.h>

#include <limits>
#include <map>

#include "sluice/print.h"

namespace sluice {
namespace {

struct Point {
  int x = 0;
  std::optional<double> y;
  SLUICE_FIELDS(Point, x, y)
};

TEST(Print, AsSparkDoes) {
  EXPECT_EQ(printed(std::pair(std::string("hello"), 3L)), "(hello,3)");
  EXPECT_EQ(printed(std::pair(std::string_view("a"), std::pair(1, 2))), "(a,(1,2))");
  EXPECT_EQ(printed(std::tuple(1, 'c', true)), "(1,c,true)");
  EXPECT_EQ(printed(std::vector<std::string>{"a", "b"}), "[a,b]");
  EXPECT_EQ(printed(std::vector<int>{}), "[]");
  EXPECT_EQ(printed(std::vector<bool>{true, false}), "[true,false]");
  EXPECT_EQ(printed(std::optional<int>(1)), "Some(1)");
  EXPECT_EQ(printed(std::optional<int>()), "None");
  EXPECT_EQ(printed(Point{1, 2.5}), "Point(1,Some(2.5))");
  EXPECT_EQ(printed(std::map<std::string, int>{{"a", 1}, {"b", 2}}), "[a->1,b->2]");
  EXPECT_EQ(printed(std::variant<int, std::string>("x")), "x");
  EXPECT_EQ(printed(std::array<int, 2>{1, 2}), "[1,2]");
  EXPECT_EQ(printed(Unit()), "()");
  EXPECT_EQ(printed(std::uint8_t(200)), "200");
  EXPECT_EQ(printed(std::numeric_limits<std::int64_t>::min()), "-9223372036854775808");
  EXPECT_EQ(printed(Time(1000)), "1000 ms");
  EXPECT_EQ(printed("text"), "text");
}

TEST(Print, RealsAsJava) {
  EXPECT_EQ(printed(1.0), "1.0");
  EXPECT_EQ(printed(0.1), "0.1");
  EXPECT_EQ(printed(-0.0), "-0.0");
  EXPECT_EQ(printed(1e10), "1.0E10");
  EXPECT_EQ(printed(1.5e-5), "1.5E-5");
  EXPECT_EQ(printed(9999999.0), "9999999.0");
  EXPECT_EQ(printed(1e7), "1.0E7");
  EXPECT_EQ(printed(0.001), "0.001");
  EXPECT_EQ(printed(0.00099), "9.9E-4");
  EXPECT_EQ(printed(0.1f), "0.1");
  EXPECT_EQ(printed(3.4028235e38f), "3.4028235E38");
  EXPECT_EQ(printed(1.7976931348623157e308), "1.7976931348623157E308");
  EXPECT_EQ(printed(std::numeric_limits<double>::quiet_NaN()), "NaN");
  EXPECT_EQ(printed(-std::numeric_limits<double>::infinity()), "-Infinity");
}

}  // namespace
}  // namespace sluice
