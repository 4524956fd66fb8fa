// Pull operators by hand: merge, group, cogroup, state, windows, sort, whole partitions.
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <map>
#include <random>

#include "sluice/ops.h"
#include "tests/unit/operator_harness.h"

namespace sluice {
namespace {

using testing::runPull;
using testing::Task;
using testing::VectorCursor;
using S = std::string;
using SV = std::string_view;

TEST(Merge, InOrderOfInputs) {
  using In = std::pair<SV, S>;
  VectorCursor<In> a({{"x", "1"}, {"y", "2"}}), b({{"z", "3"}, {"x", "4"}}), none(std::vector<In>{});
  using Op = ops::Merge<S, S, std::plus<>>;
  auto ref = Op::of({});
  EXPECT_EQ(ref.desc->form, OpDesc::Form::kPullByKey);
  EXPECT_EQ(runPull<Op::Record>(ref, {&a, &none, &b}), (std::vector<Op::Record>{{"x", "14"}, {"y", "2"}, {"z", "3"}}));
}

TEST(Merge, ManyKeysComeInSeveralChunks) {
  std::vector<S> words;
  for (int i = 0; i < 5000; ++i) words.push_back(std::to_string(i) + S(i % 30, 'x'));
  std::vector<std::pair<SV, long>> records;
  for (int round = 0; round < 2; ++round)
    for (auto& word : words) records.emplace_back(word, 1);
  VectorCursor<std::pair<SV, long>> in(records);
  using Op = ops::Merge<S, long, std::plus<>>;
  auto out = runPull<Op::Record>(Op::of({}), {&in});
  ASSERT_EQ(out.size(), 5000u);
  for (int i = 0; i < 5000; ++i) EXPECT_EQ(out[i], std::pair(words[i], 2L));
}

TEST(Group, KeepsTheOrder) {
  using In = std::pair<SV, int>;
  VectorCursor<In> a({{"x", 1}, {"y", 2}, {"x", 3}}), b({{"x", 4}});
  using Op = ops::Group<S, int>;
  EXPECT_EQ(runPull<Op::Record>(Op::of(), {&a, &b}), (std::vector<Op::Record>{{"x", {1, 3, 4}}, {"y", {2}}}));
}

TEST(Cogroup, OneListForEachInput) {
  VectorCursor<std::pair<int, S>> a({{1, "a"}, {2, "b"}, {1, "c"}});
  VectorCursor<std::pair<int, double>> b({{3, 0.5}, {1, 1.5}});
  using Op = ops::Cogroup<int, S, double>;
  EXPECT_EQ(runPull<Op::Record>(Op::of(), {&a, &b}),
            (std::vector<Op::Record>{{1, {{"a", "c"}, {1.5}}}, {2, {{"b"}, {}}}, {3, {{}, {0.5}}}}));
}

template <bool leftOptional, bool rightOptional> auto joinedBy(std::vector<std::pair<SV, int>> left, std::vector<std::pair<SV, long>> right) {
  VectorCursor<std::pair<SV, int>> a(std::move(left));
  VectorCursor<std::pair<SV, long>> b(std::move(right));
  using Op = ops::Join<S, int, long, leftOptional, rightOptional>;
  return runPull<typename Op::Record>(Op::of(), {&a, &b});
}

TEST(Join, InnerAndOuter) {
  std::vector<std::pair<SV, int>> left{{"x", 1}, {"y", 2}, {"x", 3}, {"left", 4}};
  std::vector<std::pair<SV, long>> right{{"y", 10}, {"right", 20}, {"x", 30}, {"y", 40}};
  using Inner = ops::Join<S, int, long, false, false>::Record;
  EXPECT_EQ((joinedBy<false, false>(left, right)), (std::vector<Inner>{{"y", {2, 10}}, {"x", {1, 30}}, {"x", {3, 30}}, {"y", {2, 40}}}));
  using Left = ops::Join<S, int, long, false, true>::Record;
  EXPECT_EQ((joinedBy<false, true>(left, right)),
            (std::vector<Left>{{"y", {2, 10}}, {"x", {1, 30}}, {"x", {3, 30}}, {"y", {2, 40}}, {"left", {4, std::nullopt}}}));
  using Right = ops::Join<S, int, long, true, false>::Record;
  EXPECT_EQ((joinedBy<true, false>(left, right)),
            (std::vector<Right>{{"y", {2, 10}}, {"right", {std::nullopt, 20}}, {"x", {1, 30}}, {"x", {3, 30}}, {"y", {2, 40}}}));
  using Full = ops::Join<S, int, long, true, true>::Record;
  EXPECT_EQ((joinedBy<true, true>(left, right)), (std::vector<Full>{{"y", {2, 10}}, {"right", {std::nullopt, 20}}, {"x", {1, 30}}, {"x", {3, 30}},
                                                                    {"y", {2, 40}}, {"left", {4, std::nullopt}}}));
  EXPECT_TRUE((joinedBy<false, false>({}, {}).empty()));
  EXPECT_EQ((joinedBy<false, true>({{"a", 1}}, {})), (std::vector<Left>{{"a", {1, std::nullopt}}}));
  EXPECT_EQ((joinedBy<true, false>({}, {{"a", 1}})), (std::vector<Right>{{"a", {std::nullopt, 1}}}));
}

TEST(Join, ManyPartnersGoOnInTheNextChunk) {
  std::vector<std::pair<SV, int>> left;
  std::vector<std::pair<SV, long>> right;
  for (int i = 0; i < 3000; ++i) left.emplace_back(i % 3 == 0 ? "common" : "alone", i);
  for (int i = 0; i < 3; ++i) right.emplace_back("common", i);
  using Full = ops::Join<S, int, long, true, true>::Record;
  std::vector<Full> want;
  for (long r = 0; r < 3; ++r) {
    for (int i = 0; i < 3000; i += 3) want.push_back({"common", {i, r}});
  }
  for (int i = 0; i < 3000; ++i) {
    if (i % 3 != 0) want.push_back({"alone", {i, std::nullopt}});
  }
  EXPECT_EQ((joinedBy<true, true>(left, right)), want);
}

TEST(UpdateState, EveryKnownKeyEveryBatch) {
  auto f = [](const std::vector<int>& values, std::optional<long> state) -> std::optional<long> {
    long sum = state.value_or(0);
    for (int v : values) sum += v;
    if (values.empty() && sum == 0) return std::nullopt;
    return sum;
  };
  using Op = ops::UpdateState<S, int, long, decltype(f)>;
  VectorCursor<std::pair<SV, long>> known({{"a", 10}, {"b", 20}, {"gone", 0}});
  VectorCursor<std::pair<SV, int>> values({{"c", 1}, {"a", 2}, {"a", 3}});
  EXPECT_EQ(runPull<Op::Record>(Op::of(f), {&known, &values}), (std::vector<Op::Record>{{"a", 15}, {"b", 20}, {"c", 1}}));

  VectorCursor<std::pair<SV, long>> noneYet(std::vector<std::pair<SV, long>>{}), initial({{"i", 5}}), initialAgain({{"i", 5}}), later({{"x", 1}});
  VectorCursor<std::pair<SV, int>> values1({{"i", 1}}), values2(std::vector<std::pair<SV, int>>{});
  EXPECT_EQ(runPull<Op::Record>(Op::of(f), {&noneYet, &values1, &initial}), (std::vector<Op::Record>{{"i", 6}}));
  EXPECT_EQ(runPull<Op::Record>(Op::of(f), {&later, &values2, &initialAgain}), (std::vector<Op::Record>{{"x", 1}}));
}

TEST(InverseWindow, AddsAndTakesAway) {
  using In = std::pair<SV, long>;
  auto positive = [](const std::pair<S, long>& record) { return record.second > 0; };
  using Op = ops::InverseWindow<S, long, std::plus<>, std::minus<>, decltype(positive)>;
  VectorCursor<In> previous({{"a", 10}, {"b", 5}, {"c", 1}}), enter1({{"a", 1}, {"d", 7}}), enter2({{"a", 2}}), leave({{"b", 5}, {"a", 4}, {"unknown", 3}});
  EXPECT_EQ(runPull<Op::Record>(Op::of({}, {}, positive, 2, 1), {&previous, &enter1, &enter2, &leave}),
            (std::vector<Op::Record>{{"a", 9}, {"c", 1}, {"d", 7}}));
  VectorCursor<In> one({{"a", 1}});
  EXPECT_THROW(runPull<Op::Record>(Op::of({}, {}, positive, 2, 1), {&one}), Error);
}

// Panes are merged from the oldest to the newest, as in a window without inverse.
TEST(InverseWindow, OldestFirst) {
  using In = std::pair<SV, S>;
  auto inverse = [](const S& a, const S& b) { return a.substr(b.size()); };
  using Op = ops::InverseWindow<S, S, std::plus<>, decltype(inverse)>;
  VectorCursor<In> previous({{"k", "1234"}}), newest({{"k", "6"}}), older({{"k", "5"}}), leaves2({{"k", "2"}}), leaves1({{"k", "1"}});
  EXPECT_EQ(runPull<Op::Record>(Op::of({}, inverse, {}, 2, 2), {&previous, &newest, &older, &leaves2, &leaves1}), (std::vector<Op::Record>{{"k", "3456"}}));
}

template <bool ascending> void sortAndCompare(std::size_t n, std::size_t share, bool spills) {
  using Record = std::pair<S, int>;
  std::mt19937 random(n);
  std::vector<Record> records(n);
  for (std::size_t i = 0; i < n; ++i) records[i] = {S(random() % 20, 'x') + std::to_string(random() % 100), int(i)};
  auto key = [](const Record& record) -> const S& { return record.first; };
  using Op = ops::Sort<Record, decltype(key), ascending>;
  VectorCursor<Record> a(std::vector<Record>(records.begin(), records.begin() + n / 2)), b(std::vector<Record>(records.begin() + n / 2, records.end()));
  Task task(0, share);
  auto sorted = runPull<Record>(Op::of(key), {&a, &b}, task);
  std::stable_sort(records.begin(), records.end(), [](auto& x, auto& y) { return ascending ? x.first < y.first : y.first < x.first; });
  EXPECT_EQ(sorted, records);
  EXPECT_EQ(task.spills() > 1, spills);
}
TEST(Sort, InMemory) {
  for (std::size_t n : {0, 1, 2, 11, 12, 13, 25, 1000, 20000}) sortAndCompare<true>(n, 1 << 30, false);
  sortAndCompare<false>(1000, 1 << 30, false);
}
TEST(Sort, ThroughTemporaryRuns) {
  sortAndCompare<true>(20000, 200'000, true);
  sortAndCompare<false>(20000, 200'000, true);
  sortAndCompare<true>(3000, 1, true);
}

TEST(Sort, ComputedKeysAndNan) {
  auto negated = [](double x) { return -x; };
  double nan = std::numeric_limits<double>::quiet_NaN();
  VectorCursor<double> in({1, nan, 3, 2});
  auto sorted = runPull<double>(ops::Sort<double, decltype(negated), true>::of(negated), {&in});
  ASSERT_EQ(sorted.size(), 4u);
  EXPECT_EQ(sorted[0], 3);
  EXPECT_TRUE(std::isnan(sorted[3]));
  auto self = [](SV x) { return x; };
  S b = "bb", a = "aa";
  VectorCursor<SV> views({SV(b), SV(a)});
  Task tight(0, 1);  // views stay in memory whatever the share
  EXPECT_EQ(runPull<SV>(ops::Sort<SV, decltype(self), true>::of(self), {&views}, tight), (std::vector<SV>{"aa", "bb"}));
}

TEST(MapPartitions, SeesAllRecords) {
  auto sum = [](Iterator<int>& records) {
    int total = 0;
    for (int& x : records) total += x;
    return std::vector<int>{total};
  };
  VectorCursor<int> in(std::vector<int>(1000, 2));
  EXPECT_EQ(runPull<int>(ops::MapPartitions<int, int, decltype(sum)>::of(sum), {&in}), (std::vector<int>{2000}));
  auto next = [](Iterator<S>& records) {
    std::vector<S> all;
    while (records.hasNext()) all.push_back(records.next() + "!");
    return all;
  };
  VectorCursor<S> texts(std::vector<S>(300, "a"), 7);
  auto out = runPull<S>(ops::MapPartitions<S, S, decltype(next)>::of(next), {&texts});
  EXPECT_EQ(out, std::vector<S>(300, "a!"));
  auto index = [](int partition, Iterator<int>&) { return std::optional<int>(partition); };
  VectorCursor<int> none(std::vector<int>{});
  Task task(4);
  EXPECT_EQ((runPull<int>(ops::MapPartitionsWithIndex<int, int, decltype(index)>::of(index), {&none}, task)), (std::vector<int>{4}));
}

TEST(ForeachPartition, IsCalledOnce) {
  static int calls;
  calls = 0;
  auto f = [](Iterator<int>& records) {
    ++calls;
    while (records.hasNext()) records.next();
    EXPECT_THROW(records.next(), Error);
  };
  VectorCursor<int> in({1, 2, 3});
  EXPECT_TRUE(runPull<int>(ops::ForeachPartition<int, decltype(f)>::of(f), {&in}).empty());
  EXPECT_EQ(calls, 1);
}

TEST(Glom, IsOneVector) {
  VectorCursor<int> in({1, 2, 3}, 2), none(std::vector<int>{});
  using Lists = std::vector<std::vector<int>>;
  EXPECT_EQ(runPull<std::vector<int>>(ops::Glom<int>::of(), {&in}), (Lists{{1, 2, 3}}));
  EXPECT_EQ(runPull<std::vector<int>>(ops::Glom<int>::of(), {&none}), (Lists{{}}));
}

}  // namespace
}  // namespace sluice
