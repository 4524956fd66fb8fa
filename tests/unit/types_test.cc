// What records become: checked by the compiler, then a few conversions run.
#include "sluice/types.h"

#include "sluice/time.h"

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <set>
#include <unordered_map>

namespace sluice {
namespace {

using SV = std::string_view;
using S = std::string;

template <class Text> struct EventOf {
  Text name;
  int size = 0;
  SLUICE_FIELDS(EventOf, name, size)
};
struct Plain {
  int x = 0;
  SLUICE_FIELDS(Plain, x)
};
struct HoldsView {
  SV name;
  SLUICE_FIELDS(HoldsView, name)
};
struct Tree {
  S name;
  std::vector<Tree> children;
  SLUICE_FIELDS(Tree, name, children)
};
struct Unknown {};

template <class A, class B> constexpr bool same = std::is_same_v<A, B>;

static_assert(same<owned_t<SV>, S>);
static_assert(same<owned_t<const char*>, S>);
static_assert(same<owned_t<int>, int>);
static_assert(same<owned_t<S>, S>);
static_assert(same<owned_t<std::pair<SV, long>>, std::pair<S, long>>);
static_assert(same<owned_t<std::tuple<int, SV, std::optional<SV>>>, std::tuple<int, S, std::optional<S>>>);
static_assert(same<owned_t<std::vector<SV>>, std::vector<S>>);
static_assert(same<owned_t<std::vector<std::pair<SV, SV>>>, std::vector<std::pair<S, S>>>);
static_assert(same<owned_t<std::map<SV, int>>, std::map<S, int>>);
static_assert(same<owned_t<std::set<SV>>, std::set<S>>);
static_assert(same<owned_t<std::unordered_map<SV, SV>>, std::unordered_map<S, S>>);
static_assert(same<owned_t<std::array<SV, 3>>, std::array<S, 3>>);
static_assert(same<owned_t<std::variant<int, SV>>, std::variant<int, S>>);
static_assert(same<owned_t<EventOf<SV>>, EventOf<S>>);
static_assert(same<owned_t<const std::pair<SV, int>>, std::pair<S, int>>);
static_assert(same<view_t<S>, SV>);
static_assert(same<view_t<std::pair<S, std::optional<S>>>, std::pair<SV, std::optional<SV>>>);
static_assert(same<view_t<std::tuple<int, S>>, std::tuple<int, SV>>);
static_assert(same<view_t<std::vector<S>>, std::vector<S>>);
static_assert(same<no_cstr_t<std::pair<const char*, SV>>, std::pair<S, SV>>);

static_assert(has_view<SV>::value && has_view<std::pair<int, SV>>::value && has_view<std::vector<SV>>::value && has_view<HoldsView>::value);
static_assert(has_view<EventOf<SV>>::value && !has_view<EventOf<S>>::value && !has_view<int>::value && !has_view<Unknown>::value);
static_assert(holds_text<S>::value && holds_text<std::map<int, S>>::value && holds_text<Unknown>::value && holds_text<const char*>::value);
static_assert(!holds_text<SV>::value && !holds_text<int>::value && !holds_text<Plain>::value);
static_assert(kAllViews<SV> && kAllViews<std::pair<SV, int>> && !kAllViews<std::pair<SV, S>> && !kAllViews<int>);

static_assert(same<record_t<SV, SV>, SV>);
static_assert(same<record_t<SV, std::pair<SV, long>&>, std::pair<SV, long>>);
static_assert(same<record_t<S, SV>, S>);
static_assert(same<record_t<int, SV>, S>);
static_assert(same<record_t<SV, const char*>, S>);
static_assert(same<record_t<std::pair<SV, int>, std::pair<const char*, SV>>, std::pair<S, SV>>);
static_assert(same<record_t<std::pair<SV, S>, SV>, S>);

static_assert(kEncodable<std::pair<S, std::vector<int>>> && kEncodable<Tree> && !kEncodable<Unknown> && !kEncodable<std::vector<Unknown>> && !kEncodable<long double>);
static_assert(kEncodable<std::unordered_map<S, int>> && !kKeyable<std::unordered_map<S, int>> && !kKeyable<std::pair<int, std::unordered_map<S, int>>>);
static_assert(kKeyable<S> && kKeyable<std::tuple<int, SV>> && kKeyable<Plain> && kKeyable<Tree> && !kKeyable<Unknown> && !kKeyable<const char*>);
static_assert(kOwnable<EventOf<SV>> && kOwnable<std::pair<SV, int>> && !kOwnable<HoldsView>);
static_assert(is_pair<std::pair<int, S>>::value && !is_pair<int>::value);

struct TwoInts { int a, b; };
auto capturesPair = [p = std::pair(1, 2)] { return p.first; };
auto capturesText = [s = S()] { return s.size(); };
static_assert(kBitwise<decltype(capturesPair)> && !kBitwise<decltype(capturesText)> && kBitwise<TwoInts> && !kBitwise<std::function<int()>>);

TEST(Types, RecordsAreOwnedDeeply) {
  using From = std::tuple<SV, std::vector<std::pair<SV, int>>, std::optional<SV>, std::variant<int, SV>, EventOf<SV>, std::map<SV, SV>>;
  S text = "abc";
  From from{SV(text), {{SV(text), 1}}, SV(text), SV(text), {SV(text), 2}, {{SV(text), SV("d")}}};
  auto to = toRecord<owned_t<From>>(from);
  text = "xyz";
  EXPECT_EQ(std::get<0>(to), "abc");
  EXPECT_EQ(std::get<1>(to), (std::vector<std::pair<S, int>>{{"abc", 1}}));
  EXPECT_EQ(std::get<2>(to), "abc");
  EXPECT_EQ(std::get<S>(std::get<3>(to)), "abc");
  EXPECT_EQ(std::get<4>(to).name, "abc");
  EXPECT_EQ(std::get<4>(to).size, 2);
  EXPECT_EQ(std::get<5>(to), (std::map<S, S>{{"abc", "d"}}));
}

TEST(Types, SameTypeIsMoved) {
  std::vector<S> from(1, S(100, 'x'));
  const char* at = from[0].data();
  auto to = toRecord<std::vector<S>>(std::move(from));
  EXPECT_EQ(to[0].data(), at);
}

// ---- Durations and times ----

TEST(Times, DurationsAreCountedInMilliseconds) {
  EXPECT_EQ(Seconds(2) + Milliseconds(5), Duration(2005));
  EXPECT_EQ(Minutes(1) - Seconds(70), Milliseconds(-10'000));
  EXPECT_EQ(Seconds(2) * 3, Seconds(6));
  EXPECT_EQ(Seconds(3) / Seconds(2), 1.5);
  EXPECT_TRUE(Seconds(1) < Milliseconds(1001) && Seconds(60) == Minutes(1) && Seconds(2) >= Seconds(2));
  EXPECT_EQ(Seconds(1).min(Seconds(2)), Seconds(1));
  EXPECT_EQ(Seconds(1).max(Seconds(2)), Seconds(2));
  EXPECT_TRUE(Seconds(6).isMultipleOf(Seconds(3)) && !Seconds(7).isMultipleOf(Seconds(3)) && !Seconds(7).isMultipleOf(Duration()));
  EXPECT_TRUE(Duration().isZero() && !Seconds(1).isZero());
  EXPECT_EQ(Seconds(1).milliseconds(), 1000);
}

TEST(Times, DurationsPrintAsSparks) {
  EXPECT_EQ(Seconds(1).toString(), "1000 ms");
  EXPECT_EQ(Milliseconds(999).prettyPrint(), "999 ms");
  EXPECT_EQ(Milliseconds(1500).prettyPrint(), "1.5 s");
  EXPECT_EQ(Seconds(90).prettyPrint(), "1.5 m");
  EXPECT_EQ(Minutes(75).prettyPrint(), "1.25 h");
}

TEST(Times, TimesLieOnAGrid) {
  const Time t(10'500);
  EXPECT_EQ(t + Seconds(1) - Milliseconds(500), Time(11'000));
  EXPECT_EQ(Time(11'000) - t, Milliseconds(500));
  EXPECT_EQ(t.floor(Seconds(1)), Time(10'000));
  EXPECT_EQ(t.floor(Seconds(1), Time(300)), Time(10'300));
  EXPECT_EQ(Time(-1).floor(Seconds(1)), Time(-1000)) << "down, also before 1970";
  EXPECT_TRUE(Time(10'000).isMultipleOf(Seconds(5)) && !t.isMultipleOf(Seconds(1)));
  EXPECT_TRUE(Time(1) < Time(2) && Time(1).max(Time(2)) == Time(2) && Time(1).min(Time(2)) == Time(1));
  EXPECT_EQ(t.toString(), "10500 ms");
}

TEST(Times, RangesEndBeforeOrAtTheirEnd) {
  using All = std::vector<Time>;
  EXPECT_EQ(Time(1000).until(Time(3000), Seconds(1)), (All{Time(1000), Time(2000)}));
  EXPECT_EQ(Time(1000).to(Time(3000), Seconds(1)), (All{Time(1000), Time(2000), Time(3000)}));
  EXPECT_EQ(Time(1000).to(Time(2999), Seconds(1)), (All{Time(1000), Time(2000)}));
  EXPECT_EQ(Time(1000).until(Time(1000), Seconds(1)), All{});
  EXPECT_EQ(Time(1000).until(Time(3000), Duration()), All{}) << "no step, no times";
  EXPECT_EQ((Interval{Time(1000), Time(3000)}).duration(), Seconds(2));
}

}  // namespace
}  // namespace sluice
