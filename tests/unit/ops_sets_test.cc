// Products, zips, differences and samples by hand; what operators hold.
#include <gtest/gtest.h>

#include <numeric>

#include "sluice/ops.h"
#include "tests/unit/operator_harness.h"

namespace sluice {
namespace {

using testing::runPull;
using testing::runStep;
using testing::Task;
using testing::VectorCursor;
using S = std::string;
using SV = std::string_view;

TEST(Cartesian, OnceFromMemoryAndOnceFromTheDiskInTheSameOrder) {
  std::vector<int> left(50);
  std::iota(left.begin(), left.end(), 0);
  std::vector<S> right;
  for (int i = 0; i < 3000; ++i) right.push_back("record " + std::to_string(i));
  using Op = ops::Cartesian<int, S>;
  auto run = [&](Task& task) {
    VectorCursor<int> a(left, 7);
    VectorCursor<S> b(right, 100);
    return runPull<Op::Record>(Op::of(), {&a, &b}, task);
  };
  Task large, small(0, 20000);
  auto got = run(large), spilled = run(small);
  EXPECT_EQ(large.spills(), 0u);
  EXPECT_EQ(small.spills(), 1u);
  ASSERT_EQ(got.size(), 150000u);
  EXPECT_EQ(got, spilled);
  EXPECT_EQ(got[3001], std::pair(1, S("record 1")));
}

TEST(Cartesian, ViewsStayInMemoryAndAreCounted) {
  S text(1000, 'x');
  std::vector<SV> views(20000, SV(text).substr(0, 10));
  using Op = ops::Cartesian<int, SV>;
  Task task(0, 1000);
  {
    VectorCursor<int> a({1, 2});
    VectorCursor<SV> b(views);
    EXPECT_EQ(runPull<Op::Record>(Op::of(), {&a, &b}, task).size(), 40000u);
    EXPECT_EQ(task.spills(), 0u);
  }
  EXPECT_EQ(task.held(), 0) << "given back at the end";
  task.setMost(200000);
  VectorCursor<int> a({1});
  VectorCursor<SV> b(views);
  EXPECT_THROW(runPull<Op::Record>(Op::of(), {&a, &b}, task), Error);
}

TEST(Cartesian, NothingOnOneSide) {
  using Op = ops::Cartesian<int, int>;
  VectorCursor<int> a({1, 2}), none(std::vector<int>{});
  EXPECT_TRUE(runPull<Op::Record>(Op::of(), {&a, &none}).empty());
  VectorCursor<int> b({1, 2}), nothing(std::vector<int>{});
  EXPECT_TRUE(runPull<Op::Record>(Op::of(), {&nothing, &b}).empty());
}

TEST(Zip, ChunksNeedNotFit) {
  std::vector<int> a(5000);
  std::iota(a.begin(), a.end(), 0);
  std::vector<S> b;
  for (int x : a) b.push_back(std::to_string(x));
  VectorCursor<int> left(a, 300);
  VectorCursor<S> right(b, 170);
  using Op = ops::Zip<int, S>;
  auto got = runPull<Op::Record>(Op::of(), {&left, &right});
  ASSERT_EQ(got.size(), 5000u);
  for (int x : a) EXPECT_EQ(got[std::size_t(x)], std::pair(x, std::to_string(x)));
}

TEST(AddIndex, ByStartsOrByPartitions) {
  Task task(2);
  task.setPartitions(5);
  using Record = std::pair<int, std::int64_t>;
  EXPECT_EQ(runStep<Record>(ops::AddIndex<int>::of({0, 10, 100, 110}), std::vector<int>{7, 8}, task), (std::vector<Record>{{7, 100}, {8, 101}}));
  EXPECT_EQ(runStep<Record>(ops::AddIndex<int>::of({}), std::vector<int>{7, 8, 9}, task), (std::vector<Record>{{7, 2}, {8, 7}, {9, 12}}));
}

TEST(SubtractByKey, HoldsTheRightKeysOnly) {
  VectorCursor<std::pair<SV, int>> left({{"a", 1}, {"b", 2}, {"a", 3}, {"c", 4}}, 2);
  VectorCursor<std::pair<SV, Unit>> right({{"a", {}}, {"z", {}}, {"a", {}}});
  using Op = ops::SubtractByKey<S, int>;
  EXPECT_EQ(runPull<Op::Record>(Op::of(), {&left, &right}), (std::vector<Op::Record>{{"b", 2}, {"c", 4}}));
}

TEST(CombineValues, InTheOrderTheyCome) {
  auto create = [](int x) { return std::to_string(x); };
  auto add = [](S all, int x) { return all + "," + std::to_string(x); };
  using Op = ops::CombineValues<S, int, S, decltype(create), decltype(add)>;
  VectorCursor<std::pair<SV, int>> a({{"x", 1}, {"y", 2}, {"x", 3}}), b({{"x", 4}});
  EXPECT_EQ(runPull<Op::Record>(Op::of(create, add), {&a, &b}), (std::vector<Op::Record>{{"x", "1,3,4"}, {"y", "2"}}));
}

// Groups cannot be spilled: what they hold is counted, and refused with words where it is too much.
TEST(Group, SaysWhoIsTooLarge) {
  using Op = ops::Group<int, S>;
  auto run = [](bool oneKey, std::int64_t most) -> S {
    std::vector<std::pair<int, S>> records;
    for (int i = 0; i < 20000; ++i) records.emplace_back(oneKey ? 1 : i, S(50, 'x'));
    VectorCursor<std::pair<int, S>> in(std::move(records));
    Task task;
    task.setMost(most);
    try {
      runPull<Op::Record>(Op::of(), {&in}, task);
      EXPECT_EQ(task.held(), 0);
      return "";
    } catch (const Error& error) {
      EXPECT_EQ(task.held(), 0);
      return error.what();
    }
  };
  EXPECT_EQ(run(true, 10 << 20), "");
  EXPECT_EQ(run(true, 1 << 20).substr(0, 48), "the values of one key do not fit into the execut");
  EXPECT_EQ(run(false, 1 << 20).substr(0, 48), "what the keys of one partition hold does not fit");
}

TEST(Sample, ChunksAndCopiesDoNotMatter) {
  std::vector<S> records;
  for (int i = 0; i < 3000; ++i) records.push_back(std::to_string(i));
  for (bool replacement : {false, true}) {
    auto ref = ops::Sample<S>::of({77, false}, detail::fractionOf(replacement, replacement ? 30 : 0.4, "sample"));
    Task a(4), b(4), c(5);
    auto large = runStep<S>(ref, records, a, 3000), small = runStep<S>(ref, records, b, 11), other = runStep<S>(ref, records, c, 11);
    EXPECT_EQ(large, small);
    EXPECT_NE(large, other) << "another partition draws otherwise";
    EXPECT_NEAR(double(large.size()), replacement ? 90000 : 1200, replacement ? 1500 : 120);
  }
}

TEST(NeighboursOfATree, KeepTheirOrder) {
  for (int p = 0; p < 10; ++p) {
    Task task(p);
    task.setPartitions(10);
    using Record = std::pair<std::uint32_t, int>;
    auto got = runStep<Record>(ops::Neighbours<int>::of(3), std::vector<int>{5}, task);
    EXPECT_EQ(got, (std::vector<Record>{{std::uint32_t(p * 3 / 10), 5}}));
  }
}

}  // namespace
}  // namespace sluice
