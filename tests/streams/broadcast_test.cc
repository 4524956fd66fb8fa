// Broadcast values of several blocks, on all shapes and with faults; unpersist and destroy.
#include <functional>
#include <map>
#include <string>

#include "everywhere.h"

namespace sluice::testing {
namespace {

// Of 300 kB or so, in blocks of 1 kB.
Conf smallBlocks() { return Conf().set("sluice.broadcast.blockSize", "1k"); }
std::map<int, std::string> largeValue() {
  std::map<int, std::string> value;
  for (int i = 0; i < 1'000; ++i) value[i] = std::string(300, char('a' + i % 26));
  return value;
}
std::int64_t lettersOf(const Context& sc, const Broadcast<std::map<int, std::string>>& value, int tasks) {
  return sc.parallelize(upTo(60), tasks).map([value](int x) { return std::int64_t(value->at(x * 10).size()); }).sum();
}
const std::string kGone = "this broadcast value was destroyed, its Context was stopped, or it is not of this process";
constexpr Shape kShapes[] = {Shape::kLocal1, Shape::kLocal4, Shape::kSimulated, Shape::kInProcess};

TEST(Broadcast, ValuesOfManyBlocksReachAllExecutors) {
  for (Shape shape : kShapes) {
    SCOPED_TRACE(nameOf(shape));
    Cluster cluster(shape, Seconds(1), smallBlocks());
    auto value = cluster.context().broadcast(largeValue());
    EXPECT_EQ(lettersOf(cluster.context(), value, 12), 18'000);
    EXPECT_EQ(lettersOf(cluster.context(), value, 3), 18'000);
    auto other = cluster.context().broadcast(std::string("small"));
    EXPECT_EQ(cluster.context().parallelize(upTo(6), 6).map([value, other](int x) { return int(other->size() + value->at(x).size()); }).sum(), 6 * 305);
  }
}

TEST(Broadcast, TravelsBetweenProcesses) {
  Cluster cluster(Shape::kProcesses, Seconds(1), smallBlocks());
  auto value = cluster.context().broadcast(largeValue());
  EXPECT_EQ(lettersOf(cluster.context(), value, 12), 18'000);
  value.unpersist(true);
  EXPECT_EQ(lettersOf(cluster.context(), value, 12), 18'000);
}

TEST(Broadcast, ComesThroughLostMessagesAndALostExecutor) {
  std::uint64_t trace = 0;
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE(seed);
    Faults faults;
    faults.seed = seed, faults.meanBreakUs = 20'000;
    faults.losses = {{std::int64_t(4'000 + seed * 1'500), int(seed % 3)}};  // midway
    Cluster cluster(faults, Seconds(1), smallBlocks());
    auto value = cluster.context().broadcast(largeValue());
    EXPECT_EQ(lettersOf(cluster.context(), value, 12), 18'000);
    EXPECT_EQ(lettersOf(cluster.context(), value, 6), 18'000);
    EXPECT_NE(cluster.trace(), trace);
    trace = cluster.trace();
  }
}

TEST(Broadcast, UnpersistedOnesAreFetchedAgain) {
  for (Shape shape : kShapes) {
    SCOPED_TRACE(nameOf(shape));
    Cluster cluster(shape, Seconds(1), smallBlocks());
    auto value = cluster.context().broadcast(largeValue());
    for (bool blocking : {false, true}) {
      EXPECT_EQ(lettersOf(cluster.context(), value, 12), 18'000);
      value.unpersist(blocking);
      EXPECT_EQ(value->size(), 1'000u) << "the driver keeps it";
    }
    EXPECT_EQ(lettersOf(cluster.context(), value, 12), 18'000);
    auto small = cluster.context().broadcast(7);
    EXPECT_EQ(cluster.context().parallelize(upTo(3), 3).map([small](int x) { return x + *small; }).sum(), 24);
    small.unpersist(true);
    EXPECT_EQ(cluster.context().parallelize(upTo(3), 3).map([small](int x) { return x + *small; }).sum(), 24);
  }
}

TEST(Broadcast, BlockingUnpersistEndsWhenAnExecutorIsLost) {
  Faults faults;
  faults.meanBreakUs = 5'000;
  faults.losses = {{30'000, 1}};
  Cluster cluster(faults, Seconds(1), smallBlocks());
  auto value = cluster.context().broadcast(largeValue());
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(lettersOf(cluster.context(), value, 6), 18'000);
    value.unpersist(true);
  }
}

TEST(Broadcast, DestroyedOnesAreGoneEverywhere) {
  for (Shape shape : kShapes) {
    SCOPED_TRACE(nameOf(shape));
    Cluster cluster(shape, Seconds(1), smallBlocks());
    const Context& sc = cluster.context();
    for (bool byContext : {false, true}) {
      auto value = sc.broadcast(largeValue());
      EXPECT_EQ(lettersOf(sc, value, 12), 18'000);
      if (byContext) sc.destroy(value);
      else value.destroy();
      EXPECT_EQ(errorOf([&] { (void)value->size(); }), kGone);
      std::string error = errorOf([&] { lettersOf(sc, value, 12); });
      EXPECT_NE(error.find("the broadcast value " + std::to_string(value.id()) + " is not here any more"), std::string::npos) << error;
      EXPECT_EQ(errorOf([&] { value.unpersist(); }), kGone);
    }
    auto again = sc.broadcast(largeValue());
    EXPECT_EQ(lettersOf(sc, again, 12), 18'000);
  }
}

TEST(Broadcast, EqualValuesAreOneUntilTheLastIsDestroyed) {
  Cluster cluster(Shape::kLocal4);
  const Context& sc = cluster.context();
  auto one = sc.broadcast(std::string("same")), other = sc.broadcast(std::string("same"));
  one.destroy();
  EXPECT_EQ(*other, "same");
  EXPECT_EQ(sc.parallelize(upTo(2), 2).map([other](int) { return other->size(); }).collect(), (std::vector<std::size_t>{4, 4}));
  other.destroy();
  EXPECT_NE(errorOf([&] { (void)*other; }), "");
}

// A value of the application's that tells how many of them there are.
struct Counted {
  int n = 0;
  inline static int alive = 0;
  Counted() { ++alive; }
  explicit Counted(int value) : n(value) { ++alive; }
  Counted(const Counted& other) : n(other.n) { ++alive; }
  Counted& operator=(const Counted&) = default;
  ~Counted() { --alive; }
  SLUICE_FIELDS(Counted, n)
};

TEST(Broadcast, ValuesGoWithTheirContext) {
  Broadcast<Counted> stale;
  {
    Cluster cluster(Shape::kLocal1);
    const Context& sc = cluster.context();
    auto one = sc.broadcast(Counted(5)), same = sc.broadcast(Counted(5));
    sc.broadcast(Counted(6)).destroy();
    EXPECT_EQ(Counted::alive, 1);
    EXPECT_EQ(one->n + same->n, 10);
    stale = one;
  }
  EXPECT_EQ(Counted::alive, 0) << "the driver keeps nothing of a stopped context";
  EXPECT_EQ(errorOf([&] { (void)stale->n; }), kGone);
  Cluster cluster(Shape::kLocal1);
  EXPECT_EQ(errorOf([&] { (void)stale->n; }), kGone) << "nor does another context bring it back";
  auto again = cluster.context().broadcast(Counted(5));
  again.destroy();
  EXPECT_EQ(errorOf([&] { (void)again->n; }), kGone) << "each context counts its own";
  EXPECT_EQ(Counted::alive, 0);
}

TEST(Broadcast, TasksCannotDropThem) {
  Cluster cluster(Shape::kLocal1);
  auto value = cluster.context().broadcast(1);
  std::string error = errorOf([&] { cluster.context().parallelize(upTo(1), 1).foreach([value](int) { value.unpersist(); }); });
  EXPECT_NE(error.find("unpersist of a broadcast value is for the driver; tasks only read it"), std::string::npos) << error;
}

}  // namespace
}  // namespace sluice::testing
