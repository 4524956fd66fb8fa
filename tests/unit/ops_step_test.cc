// Step operators by hand: results, chunk limits, failures, shipping.
#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <numeric>
#include <random>

#include "sluice/ops.h"
#include "sluice/split.h"
#include "tests/unit/operator_harness.h"

namespace sluice {
namespace {

using testing::runStep;
using testing::Task;
using S = std::string;
using SV = std::string_view;

std::vector<int> numbers(int n) {
  std::vector<int> all(n);
  std::iota(all.begin(), all.end(), 0);
  return all;
}

template <class In, class F> auto map(F f, std::vector<In> records) {
  using Out = record_t<In, result_t<F, In>>;
  return runStep<Out>(ops::Map<In, Out, F>::of(f), std::move(records));
}
template <class In, class F> auto flatMap(F f, std::vector<In> records) {
  using Out = record_t<In, range_value_t<result_t<F, In>>>;
  return runStep<Out>(ops::FlatMap<In, Out, F>::of(f), std::move(records));
}

TEST(Map, MakesOneOfEach) {
  EXPECT_EQ(map<int>([](int x) { return x * 2; }, {1, 2, 3}), (std::vector<int>{2, 4, 6}));
  int by = 10;
  EXPECT_EQ(map<int>([by](int x) { return x * by; }, {1, 2}), (std::vector<int>{10, 20}));
  EXPECT_EQ(map<S>([](auto& text) { return text.size(); }, {"a", "bb"}), (std::vector<std::size_t>{1, 2}));
  EXPECT_EQ(map<S>([](S text) { return text + "!"; }, {"a"}), (std::vector<S>{"a!"}));
  auto viewsOfOwned = map<S>([](const S& text) { return SV(text).substr(1); }, {"abc"});
  EXPECT_EQ(viewsOfOwned, (std::vector<S>{"bc"}));
  auto literals = map<SV>([](SV text) { return std::pair(text.size() > 1 ? "long" : "short", text); }, {"a", "bb"});
  EXPECT_EQ(literals, (std::vector<std::pair<S, SV>>{{"short", "a"}, {"long", "bb"}}));
}

TEST(Map, MoreRecordsThanTheOutputTakes) {
  auto ref = ops::Map<int, S, decltype([](int x) { return std::to_string(x); })>::of({});
  Task task;
  auto out = runStep<S>(ref, numbers(5000), task, 1024);  // 64 strings at a time
  ASSERT_EQ(out.size(), 5000u);
  for (int i = 0; i < 5000; ++i) EXPECT_EQ(out[i], std::to_string(i));
}

TEST(Map, SaysWhichRecordFailed) {
  auto f = [](int x) { return x == 77 ? throw std::runtime_error("no") : std::to_string(x); };
  Task task;
  EXPECT_THROW(runStep<S>(ops::Map<int, S, decltype(f)>::of(f), numbers(100), task, 1000), std::runtime_error);
  EXPECT_EQ(task.failedRecord(), 77);
}

TEST(Filter, Keeps) {
  auto odd = [](int x) { return x % 2 == 1; };
  EXPECT_EQ(runStep<int>(ops::Filter<int, decltype(odd)>::of(odd), numbers(6)), (std::vector<int>{1, 3, 5}));
  auto large = [](const S& text) { return text.size() > 20; };
  auto kept = runStep<S>(ops::Filter<S, decltype(large)>::of(large), std::vector<S>{"a", S(30, 'b'), "c", S(40, 'd')});
  EXPECT_EQ(kept, (std::vector<S>{S(30, 'b'), S(40, 'd')}));
}

TEST(FlatMap, TakesAnyRange) {
  EXPECT_EQ(flatMap<SV>([](SV line) { return split(line, ' '); }, {"a b", "", "c  d "}), (std::vector<SV>{"a", "b", "", "c", "", "d"}));
  EXPECT_EQ(flatMap<int>([](int n) { return std::vector<int>(n, n); }, {2, 0, 3}), (std::vector<int>{2, 2, 3, 3, 3}));
  EXPECT_EQ(flatMap<int>([](int n) { return n % 2 ? std::optional<int>(n) : std::nullopt; }, {1, 2, 3}), (std::vector<int>{1, 3}));
  EXPECT_EQ(flatMap<int>([](int n) { return std::array<S, 2>{"x", std::to_string(n)}; }, {1}), (std::vector<S>{"x", "1"}));
  EXPECT_EQ(flatMap<S>([](const S& text) { return S(text); }, {"ab", "c"}), (std::vector<char>{'a', 'b', 'c'}));
  EXPECT_EQ(flatMap<S>([](const S& line) { return split(line, ' '); }, {"a b"}), (std::vector<S>{"a", "b"}));
  EXPECT_EQ(flatMap<S>([](S line) { return split(std::move(line), ' '); }, {"a b"}), (std::vector<S>{"a", "b"}));
  EXPECT_EQ(flatMap<int>([](int n) { return std::map<int, S>{{n, "x"}}; }, {1}), (std::vector<std::pair<int, S>>{{1, "x"}}));
  EXPECT_EQ(flatMap<int>([](int n) { return std::vector<bool>{n > 1}; }, {1, 2}).size(), 2u);
}

TEST(FlatMap, GoesOnInTheMiddleOfARange) {
  auto f = [](int n) {
    std::vector<S> all;
    for (int i = 0; i < n; ++i) all.push_back(std::to_string(i));
    return all;
  };
  auto out = flatMap<int>(f, {1000, 0, 64, 500});
  ASSERT_EQ(out.size(), 1564u);
  EXPECT_EQ(out[999], "999");
  EXPECT_EQ(out[1000], "0");
  S line(5000, ' ');
  for (std::size_t i = 0; i < line.size(); i += 2) line[i] = 'x';
  EXPECT_EQ(flatMap<SV>([](SV text) { return split(text, ' '); }, {line, "y", line}).size(), 5001u);
  // An array of short strings: its iterators point into the slot.
  EXPECT_EQ(flatMap<int>([](int) { return std::array<S, 200>{}; }, {1, 2}).size(), 400u);
}

#if !defined(__SANITIZE_ADDRESS__)  // which has a stack of its own for such mistakes
// Short texts lie in the string itself, here on the stack.
TEST(StackViews, AreRefused) {
  auto lower = [](SV text) {
    S local(text.substr(0, 5));
    const char* volatile at = local.data();
    return SV(at, local.size());
  };
  EXPECT_THROW(map<SV>(lower, {"hello"}), Error);
  auto words = [](SV text) {
    S local(text.substr(0, 5));
    const char* volatile at = local.data();
    return split(SV(at, local.size()), ' ');
  };
  EXPECT_THROW(flatMap<SV>(words, {"a b"}), Error);
  static const S kept = "kept";
  EXPECT_EQ(map<SV>([](SV) { return SV(kept); }, {"x"}), (std::vector<SV>{"kept"}));
}
#endif

TEST(Functors, OfPairs) {
  using P = std::pair<S, int>;
  auto twice = [](int x) { return x * 2.5; };
  using MV = ops::MapValues<P, std::pair<S, double>, decltype(twice)>;
  EXPECT_EQ((runStep<std::pair<S, double>>(MV::of(twice), std::vector<P>{{"a", 1}, {"b", 2}})), (std::vector<std::pair<S, double>>{{"a", 2.5}, {"b", 5}}));
  auto repeat = [](int x) { return std::vector<S>(x, "v"); };
  using FMV = ops::FlatMapValues<P, std::pair<S, S>, decltype(repeat)>;
  EXPECT_EQ((runStep<std::pair<S, S>>(FMV::of(repeat), std::vector<P>{{"a", 2}, {"b", 0}, {"c", 1}})),
            (std::vector<std::pair<S, S>>{{"a", "v"}, {"a", "v"}, {"c", "v"}}));
  auto maybe = [](int x) { return x > 1 ? std::optional<int>(x) : std::nullopt; };
  using FMO = ops::FlatMapValues<P, P, decltype(maybe)>;
  EXPECT_EQ(runStep<P>(FMO::of(maybe), std::vector<P>{{"a", 1}, {"b", 2}}), (std::vector<P>{{"b", 2}}));
  auto size = [](const S& text) { return int(text.size()); };
  using KB = ops::KeyBy<S, std::pair<int, S>, decltype(size)>;
  EXPECT_EQ((runStep<std::pair<int, S>>(KB::of(size), std::vector<S>{"abc"})), (std::vector<std::pair<int, S>>{{3, "abc"}}));
  EXPECT_EQ(runStep<S>(ops::Keys<P>::of(), std::vector<P>{{"a", 1}}), (std::vector<S>{"a"}));
  EXPECT_EQ(runStep<int>(ops::Values<P>::of(), std::vector<P>{{"a", 1}}), (std::vector<int>{1}));
  EXPECT_EQ((runStep<std::pair<int, S>>(ops::Swap<P>::of(), std::vector<P>{{"a", 1}})), (std::vector<std::pair<int, S>>{{1, "a"}}));
  EXPECT_EQ((runStep<std::pair<S, Unit>>(ops::PairWithUnit<S>::of(), std::vector<S>{"a"})), (std::vector<std::pair<S, Unit>>{{"a", {}}}));
  EXPECT_EQ((runStep<std::pair<S, std::int64_t>>(ops::CountOnes<S>::of(), std::vector<S>{"a"})), (std::vector<std::pair<S, std::int64_t>>{{"a", 1}}));
  EXPECT_EQ(runStep<S>(ops::DropIndex<S>::of(), std::vector<std::pair<std::uint32_t, S>>{{7, "a"}}), (std::vector<S>{"a"}));
}

TEST(FlatMapValues, LongRangesKeepTheirKey) {
  using P = std::pair<S, int>;
  auto repeat = [](int x) { return std::vector<int>(x, x); };
  using Op = ops::FlatMapValues<P, P, decltype(repeat)>;
  auto out = runStep<P>(Op::of(repeat), std::vector<P>{{"a key that is quite long", 1000}, {"b", 3}});
  ASSERT_EQ(out.size(), 1003u);
  EXPECT_EQ(out[999].first, "a key that is quite long");
  EXPECT_EQ(out[1002].first, "b");
}

using Pair = std::pair<SV, long>;
using Summing = ops::Combine<SV, long, long, ops::AsValue<long>, std::plus<>>;

TEST(Combine, SumsInOrderOfFirstAppearance) {
  auto out = runStep<std::pair<S, long>>(Summing::of({}, {}), std::vector<Pair>{{"b", 1}, {"a", 2}, {"b", 3}});
  EXPECT_EQ(out, (std::vector<std::pair<S, long>>{{"b", 4}, {"a", 2}}));
}

TEST(Combine, EmitsWhenItOutgrowsItsShare) {
  std::vector<S> words;
  for (int i = 0; i < 3000; ++i) words.push_back("word " + std::to_string(i * 7919 % 1000));
  std::vector<Pair> records(words.size());
  for (std::size_t i = 0; i < words.size(); ++i) records[i] = {words[i], 1};
  Task task(0, 4096);
  std::map<S, long> sums;
  auto out = runStep<std::pair<S, long>>(Summing::of({}, {}), records, task);
  EXPECT_GT(out.size(), 1000u);
  for (auto& [word, n] : out) sums[word] += n;
  EXPECT_EQ(sums.size(), 1000u);
  for (auto& [word, n] : sums) EXPECT_EQ(n, 3) << word;
}

TEST(Combine, OwnsItsValues) {
  // Views as values become text, also for a function that wants text.
  auto join = [](const S& a, const S& b) { return a + "," + b; };
  using Op = ops::Combine<SV, SV, S, ops::AsValue<S>, decltype(join)>;
  auto out = runStep<std::pair<S, S>>(Op::of({}, join), std::vector<std::pair<SV, SV>>{{"k", "a"}, {"k", "b"}});
  EXPECT_EQ(out, (std::vector<std::pair<S, S>>{{"k", "a,b"}}));
  // What is merged is moved in and out: no copy of the growing list.
  auto create = [](int x) { return std::vector<int>{x}; };
  auto append = [](std::vector<int>&& list, int x) { list.push_back(x); return std::move(list); };
  using Lists = ops::Combine<int, int, std::vector<int>, decltype(create), decltype(append)>;
  auto lists = runStep<std::pair<int, std::vector<int>>>(Lists::of(create, append), std::vector<std::pair<int, int>>{{1, 1}, {1, 2}});
  EXPECT_EQ(lists[0].second, (std::vector<int>{1, 2}));
}

TEST(Combine, SaysWhichRecordFailed) {
  auto fails = [](long a, long b) { return b == 5 ? throw 1 : a + b; };
  using Op = ops::Combine<SV, long, long, ops::AsValue<long>, decltype(fails)>;
  Task task;
  EXPECT_THROW((runStep<std::pair<S, long>>(Op::of({}, fails), std::vector<Pair>{{"a", 1}, {"a", 2}, {"a", 5}}, task)), int);
  EXPECT_EQ(task.failedRecord(), 2);
}

TEST(Reduce, OfViewsIsOwned) {
  auto longest = [](SV a, SV b) { return a.size() >= b.size() ? a : b; };
  using Op = ops::Reduce<SV, decltype(longest)>;
  EXPECT_EQ((runStep<S>(Op::of(longest), std::vector<SV>{"a", "ccc", "bb"})), (std::vector<S>{"ccc"}));
  EXPECT_TRUE((runStep<S>(Op::of(longest), std::vector<SV>{})).empty());
}

TEST(Aggregate, StartsFromZero) {
  auto add = [](S&& sum, int x) { return std::move(sum) + std::to_string(x); };
  using Op = ops::Aggregate<int, S, decltype(add)>;
  EXPECT_EQ(runStep<S>(Op::of("z", add), numbers(3)), (std::vector<S>{"z012"}));
  EXPECT_EQ(runStep<S>(Op::of("z", add), std::vector<int>{}), (std::vector<S>{"z"}));
  EXPECT_EQ((runStep<int>(ops::Fold<int, std::plus<>>::of(5, {}), numbers(4))), (std::vector<int>{11}));
  EXPECT_EQ((runStep<std::int64_t>(ops::Count<int>::of(), numbers(1234))), (std::vector<std::int64_t>{1234}));
}

TEST(Take, Stops) {
  EXPECT_EQ(runStep<int>(ops::Take<int>::of(3), numbers(1000)), (std::vector<int>{0, 1, 2}));
  EXPECT_EQ(runStep<int>(ops::Take<int>::of(250), numbers(1000)).size(), 250u);
  EXPECT_EQ(runStep<int>(ops::Take<int>::of(0), numbers(10)).size(), 0u);
}

TEST(TopN, IsTheStartOfAStableSort) {
  std::mt19937 random(3);
  for (std::size_t n : {0, 1, 2, 10, 100, 5000}) {
    std::vector<std::pair<int, int>> records(2000);
    for (int i = 0; i < 2000; ++i) records[i] = {int(random() % 50), i};
    auto larger = [](const std::pair<int, int>& a, const std::pair<int, int>& b) { return a.first > b.first; };
    auto top = runStep<std::pair<int, int>>(ops::TopN<std::pair<int, int>, decltype(larger)>::of(n, larger), records);
    std::stable_sort(records.begin(), records.end(), larger);
    records.resize(std::min<std::size_t>(n, 2000));
    EXPECT_EQ(top, records);
  }
}

TEST(Lines, AsPrinted) {
  using P = std::pair<S, int>;
  EXPECT_EQ(runStep<S>(ops::PrintLines<P>::of(2), std::vector<P>{{"a", 1}, {"b", 2}, {"c", 3}}), (std::vector<S>{"(a,1)", "(b,2)"}));
  auto all = runStep<S>(ops::TextLines<int>::of(), numbers(1000));
  ASSERT_EQ(all.size(), 1000u);
  EXPECT_EQ(all[999], "999");
  EXPECT_EQ(runStep<S>(ops::PrintLines<int>::of(150), numbers(1000)).size(), 150u);
}

TEST(Place, NamesReducers) {
  using P = std::pair<std::uint32_t, int>;
  auto self = [](int x) { return x; };
  using Ranges = ops::RangeAssign<int, decltype(self)>;
  EXPECT_EQ(runStep<P>(Ranges::of(self, {10, 20}), std::vector<int>{5, 10, 11, 20, 21}), (std::vector<P>{{0, 5}, {0, 10}, {1, 11}, {1, 20}, {2, 21}}));
  EXPECT_EQ(runStep<P>(Ranges::of(self, {10, 20}, false), std::vector<int>{5, 21}), (std::vector<P>{{2, 5}, {0, 21}}));
  auto text = [](const S& x) -> const S& { return x; };
  using TextRanges = ops::RangeAssign<S, decltype(text)>;
  EXPECT_EQ((runStep<std::pair<std::uint32_t, S>>(TextRanges::of(text, {"m"}), std::vector<S>{"a", "z"})), (std::vector<std::pair<std::uint32_t, S>>{{0, "a"}, {1, "z"}}));

  Task task(2);
  EXPECT_EQ(runStep<P>(ops::RoundRobin<int>::of(3), numbers(5), task), (std::vector<P>{{2, 0}, {0, 1}, {1, 2}, {2, 3}, {0, 4}}));

}

TEST(PlaceKey, NamesPartitionsOfKeysWhereTheyLie) {
  using Pair = std::pair<S, int>;
  auto length = [](std::string_view key) { return key.size() % 3; };
  auto make = [](const OpRef& op) { return std::unique_ptr<KeyPlacer>(static_cast<KeyPlacer*>(op.desc->make(op.captures.data(), op.captures.size()))); };
  std::vector<Pair> pairs{{"a", 1}, {"bb", 2}, {"ccc", 3}};
  std::uint32_t to[3];
  make(ops::PlaceKey<S, std::string_view, decltype(length)>::of(length, 3))->place(pairs.data(), sizeof(Pair), 3, to);
  EXPECT_EQ(std::vector<std::uint32_t>(to, to + 3), (std::vector<std::uint32_t>{1, 2, 0}));
  auto self = [](int key) { return key; };
  int outside = 2;
  EXPECT_THROW(make(ops::PlaceKey<int, int, decltype(self)>::of(self, 2))->place(&outside, sizeof outside, 1, to), Error);
}

TEST(Foreach, CallsOfEach) {
  static int sum;
  sum = 0;
  auto add = [](int x) { sum += x; };
  EXPECT_TRUE(runStep<int>(ops::Foreach<int, decltype(add)>::of(add), numbers(10)).empty());
  EXPECT_EQ(sum, 45);
}

TEST(SampleKeys, IsEvenAndWeighted) {
  auto self = [](int x) { return x; };
  using Op = ops::SampleKeys<int, decltype(self)>;
  auto sample = runStep<Op::Record>(Op::of(self, 10), numbers(1000));
  ASSERT_GE(sample.size(), 10u);
  ASSERT_LE(sample.size(), 20u);
  std::int64_t stands = 0;
  for (auto [key, weight] : sample) stands += weight;
  EXPECT_NEAR(double(stands), 1000, 64);
  EXPECT_EQ(runStep<Op::Record>(Op::of(self, 10), numbers(3)).size(), 3u);
}

}  // namespace
}  // namespace sluice
