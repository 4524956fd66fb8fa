// The rule of what may be let go of, on small plans: for each node the lowest time that can still be asked for.
#include "master/retention.h"
#include "tests/unit/master_fleet.h"

namespace sluice::master {
namespace {

using Times = std::map<std::uint32_t, std::int64_t>;

Times asked(const proto::Plan& plan, RetentionFacts facts) {
  facts.intervalMs = 10;
  Times times;
  for (const auto& entry : retention(plan, facts)) times[entry.node] = entry.askMs;
  return times;
}

TEST(MasterRetention, AStatelessChainKeepsWhatIsNotPublished) {
  PlanMaker p(1, 10);
  auto source = p.receiver();
  auto counts = p.reduce(source);
  p.output(counts, proto::OUTPUT_PRINT);
  EXPECT_EQ(asked(p.plan, {.zeroMs = 0, .publishedMs = 50, .decidedMs = 70}), (Times{{source, 60}, {counts, 60}}));
}

TEST(MasterRetention, AWindowReachesBack) {
  PlanMaker p(1, 10);
  auto source = p.receiver();
  auto words = p.step(source);
  auto window = p.window(words, 4);
  p.output(window, proto::OUTPUT_PRINT);
  // Batch 60 is the first unpublished one and reads 60, 50, 40, 30; what is kept may be lost, so its input stays as long.
  EXPECT_EQ(asked(p.plan, {.zeroMs = 0, .publishedMs = 50, .decidedMs = 50}), (Times{{source, 30}, {words, 30}, {window, 60}}));
}

TEST(MasterRetention, ASlidingWindowWaitsForItsNextTime) {
  PlanMaker p(1, 10);
  auto source = p.receiver();
  auto words = p.step(source);
  auto window = p.window(words, 3, 30);
  p.output(window, proto::OUTPUT_PRINT);
  // Published 50: the next window is at 60 and reads 60, 50, 40.
  EXPECT_EQ(asked(p.plan, {.zeroMs = 0, .publishedMs = 50, .decidedMs = 50})[source], 40);
  // Published 60: the next is at 90 and reads 90, 80, 70; nothing below is asked for any more.
  EXPECT_EQ(asked(p.plan, {.zeroMs = 0, .publishedMs = 60, .decidedMs = 60})[source], 70);
}

TEST(MasterRetention, StateStandsOnEverythingSinceTheOlderCheckpoint) {
  PlanMaker p(1, 10);
  auto source = p.receiver();
  auto state = p.state(source);
  p.output(state, proto::OUTPUT_PRINT);
  struct Case {
    const char* what;
    std::map<std::uint32_t, std::int64_t> cut;
    std::int64_t published, decided, source, state;
  } cases[] = {
      {"no checkpoint: since zero time", {}, 50, 50, 10, 50},
      {"a checkpoint at 30", {{state, 30}}, 50, 50, 40, 50},
      {"decided runs ahead of published", {{state, 30}}, 50, 80, 40, 60},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.what);
    EXPECT_EQ(asked(p.plan, {.zeroMs = 0, .publishedMs = c.published, .decidedMs = c.decided, .cut = c.cut}),
              (Times{{source, c.source}, {state, c.state}}));
  }
}

TEST(MasterRetention, TheLongestReaderCounts) {
  PlanMaker p(1, 10);
  auto source = p.receiver();
  auto words = p.step(source);
  auto window = p.window(words, 5);
  p.output(words, proto::OUTPUT_PRINT).output(window, proto::OUTPUT_PRINT);
  EXPECT_EQ(asked(p.plan, {.zeroMs = 0, .publishedMs = 100, .decidedMs = 100})[source], 70);
}

TEST(MasterRetention, RememberedTimeStays) {
  PlanMaker p(1, 10);
  auto source = p.receiver();
  p.output(p.step(source), proto::OUTPUT_PRINT);
  p.plan.set_remember_ms(40);
  EXPECT_EQ(asked(p.plan, {.zeroMs = 0, .publishedMs = 100, .decidedMs = 100})[source], 60);
}

TEST(MasterRetention, DatasetsWithoutTimeAreNotNamed) {
  PlanMaker p(1, 10);
  auto fixed = p.constant(2);
  auto& both = p.node(proto::NODE_UNION);
  p.edge(both, fixed), p.edge(both, p.plan.nodes(0).id());
  p.output(both.id(), proto::OUTPUT_PRINT);
  EXPECT_FALSE(asked(p.plan, {.zeroMs = 0, .publishedMs = 100, .decidedMs = 100}).contains(fixed));
}

}  // namespace
}  // namespace sluice::master
