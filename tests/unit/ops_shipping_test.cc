// What travels with an operator, and how.
#include <gtest/gtest.h>
#include <unistd.h>

#include <functional>
#include <map>

#include "sluice/ops.h"
#include "tests/unit/operator_harness.h"

namespace sluice {
namespace {

using testing::runStep;
using S = std::string;

template <class F> OpRef mapRef(F f) { return ops::Map<int, record_t<int, result_t<F, int>>, F>::of(f); }

TEST(Shipping, CapturelessFunctionsHaveNoBytes) {
  auto ref = mapRef([](int x) { return x + 1; });
  EXPECT_EQ(ref.desc->magic, OpDesc::kMagic);
  EXPECT_EQ(ref.desc->captureSize, 0u);
  EXPECT_TRUE(ref.captures.empty());
  EXPECT_FALSE(ref.scan);
  EXPECT_NE(S(ref.desc->signature).find("Map<int, int"), S::npos);
}

TEST(Shipping, CapturesTravelAsBytesToBeScanned) {
  int a = 5;
  char b = 'x';
  auto ref = mapRef([a, b](int x) { return std::pair(x + a, b); });
  EXPECT_EQ(ref.captures, S("\5\0\0\0x\0\0\0", 8));  // zero between the members
  EXPECT_TRUE(ref.scan);
  EXPECT_EQ(ref.scanSize, 8u);
  EXPECT_EQ((runStep<std::pair<int, char>>(ref, std::vector<int>{1})), (std::vector<std::pair<int, char>>{{6, 'x'}}));
  std::pair p(1, 2);
  EXPECT_EQ(runStep<int>(mapRef([p](int x) { return x + p.second; }), std::vector<int>{1}), (std::vector<int>{3}));
}

TEST(Shipping, WithTravelsEncoded) {
  std::map<int, S> names{{1, "one"}, {2, "two"}};
  auto f = sluice::with([](int x, const std::map<int, S>& all, const S& mark) { return all.at(x) + mark; }, names, "!");
  auto ref = mapRef(f);
  EXPECT_EQ(ref.desc->captureSize, OpDesc::kEncodedCaptures);
  EXPECT_FALSE(ref.scan);
  names.clear();
  EXPECT_EQ(runStep<S>(ref, std::vector<int>{2, 1}), (std::vector<S>{"two!", "one!"}));
  int more = 3;
  auto both = mapRef(sluice::with([more](int x, const S& text) { return S(x + more, 'a') + text; }, S("b")));
  EXPECT_TRUE(both.scan);
  EXPECT_EQ(both.scanSize, 4u);
  EXPECT_EQ(runStep<S>(both, std::vector<int>{1}), (std::vector<S>{"aaaab"}));
}

struct Scale {
  double by = 1;
  S unit;
  S operator()(int x) const { return std::to_string(int(x * by)) + unit; }
  SLUICE_FIELDS(Scale, by, unit)
};
TEST(Shipping, FunctorsWithFields) {
  auto ref = mapRef(Scale{2, "m"});
  EXPECT_FALSE(ref.scan);
  EXPECT_EQ(runStep<S>(ref, std::vector<int>{4}), (std::vector<S>{"8m"}));
}

int plusSeven(int x) { return x + 7; }
TEST(Shipping, PlainFunctionsOfTheModule) {
  auto ref = mapRef(&plusSeven);
  EXPECT_FALSE(ref.scan);
  EXPECT_EQ(runStep<int>(ref, std::vector<int>{1}), (std::vector<int>{8}));
  EXPECT_THROW(mapRef(&::getpgid), Error);
}

TEST(Shipping, SeveralFunctionsOfOneOperator) {
  int base = 100;
  auto create = [base](int x) { return long(base + x); };
  auto merge = sluice::with([](long sum, int x, const S& text) { return sum + x + long(text.size()); }, S("four"));
  using Op = ops::Combine<int, int, long, decltype(create), decltype(merge)>;
  auto ref = Op::of(create, merge);
  EXPECT_EQ(ref.scanSize, 4u);
  EXPECT_EQ((runStep<std::pair<int, long>>(ref, std::vector<std::pair<int, int>>{{1, 1}, {1, 2}})), (std::vector<std::pair<int, long>>{{1, 107}}));
}

TEST(Shipping, AdaptorsTravelAsWhatTheyWrap) {
  using P = std::pair<int, int>;
  auto f = sluice::with([](int x, const S& text) { return text + std::to_string(x); }, S("n"));
  using Op = ops::MapValues<P, std::pair<int, S>, decltype(f)>;
  EXPECT_EQ((runStep<std::pair<int, S>>(Op::of(f), std::vector<P>{{1, 2}})), (std::vector<std::pair<int, S>>{{1, "n2"}}));
}

TEST(Shipping, WrongCapturesAreRefused) {
  int a = 1;
  auto ref = mapRef([a](int x) { return x + a; });
  EXPECT_THROW(ref.desc->make("abc", 3), Error);
  EXPECT_THROW(ref.desc->make("abcde", 5), Error);
  auto encoded = mapRef(Scale{2, "m"});
  EXPECT_THROW(encoded.desc->make(encoded.captures.data(), encoded.captures.size() - 1), Error);
}

TEST(Shipping, StateOfMutableFunctionsIsTheTasks) {
  auto counting = [n = 0](int) mutable { return ++n; };
  auto ref = mapRef(counting);
  EXPECT_EQ(runStep<int>(ref, std::vector<int>{0, 0}), (std::vector<int>{1, 2}));
  EXPECT_EQ(runStep<int>(ref, std::vector<int>{0}), (std::vector<int>{1}));
}

static_assert(!kShippable<decltype([s = S()] { return s.size(); })> && !kShippable<std::function<int(int)>> && !kShippable<int S::*>);
static_assert(kShippable<int (*)(int)> && kShippable<std::plus<>> && kShippable<Scale>);
static_assert(!kCallable<decltype([](S&) {}), S> && kCallable<decltype([](auto&) {}), S> && kCallable<decltype([](S&&) {}), S>);

}  // namespace
}  // namespace sluice
