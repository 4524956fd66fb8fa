// What windows still read of earlier batches, against reading the plan batch by batch; and what is taken up of a checkpoint.
#include "master/panes.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "master/restoring.h"
#include "tests/unit/master_plan_maker.h"

namespace sluice::master {
namespace {

using Times = std::vector<std::int64_t>;

Times timesOf(const std::vector<Pane>& panes, std::uint32_t node) {
  Times times;
  for (const Pane& pane : panes) {
    if (pane.node == node) times.push_back(pane.whenMs);
  }
  return times;
}

// A state made of what enters a window and what leaves it.
std::uint32_t inverse(PlanMaker& p, std::uint32_t parent, std::int64_t lengthMs, std::int64_t slideMs) {
  p.keep(parent);
  const std::int64_t step = p.plan.nodes(int(parent) - 1).slide_ms();
  auto& n = p.node(proto::NODE_PULL);
  n.set_slide_ms(slideMs), n.mutable_keep()->set_keep(true), n.mutable_keep()->set_state(true);
  p.edge(n, n.id()).set_first_shift_ms(slideMs);
  for (std::int64_t first : {std::int64_t(0), lengthMs}) {
    auto& e = p.edge(n, parent);
    e.set_first_shift_ms(first), e.set_shifts(std::uint32_t(slideMs / step)), e.set_shift_step_ms(step);
  }
  return n.id();
}

TEST(Panes, OfAWindow) {
  PlanMaker p(1, 10);
  auto words = p.step(p.receiver());
  p.window(words, 4);
  EXPECT_EQ(timesOf(panesAt(p.plan, 0, 100), words), (Times{80, 90, 100}));
  EXPECT_EQ(timesOf(panesAt(p.plan, 0, 20), words), (Times{10, 20})) << "nothing is before zero time";
}

TEST(Panes, OfAnInverseWindowAreAllThatWillLeave) {
  PlanMaker p(1, 10);
  auto words = p.step(p.receiver());
  inverse(p, words, 40, 10);
  EXPECT_EQ(timesOf(panesAt(p.plan, 0, 100), words), (Times{70, 80, 90, 100}));
}

TEST(Panes, NoneWhereASlideIsLongerThanItsWindow) {
  PlanMaker p(1, 10);
  auto words = p.step(p.receiver());
  p.window(words, 2, 50);  // at 50 of 40 and 50, at 100 of 90 and 100
  EXPECT_EQ(timesOf(panesAt(p.plan, 0, 50), words), Times{});
  EXPECT_EQ(timesOf(panesAt(p.plan, 0, 90), words), Times{90});
}

TEST(Panes, NoneWithoutWindows) {
  PlanMaker p(1, 10);
  auto state = p.state(p.receiver());
  p.keep(p.step(state));
  EXPECT_TRUE(panesAt(p.plan, 0, 100).empty()) << "a state's reading of itself does not count";
}

TEST(Panes, AreThoseThatAreReadBatchByBatch) {
  std::uint64_t seed = std::random_device{}();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937_64 random(seed);
  auto upTo = [&](int most) { return std::int64_t(random() % std::uint64_t(most) + 1); };
  for (int round = 0; round < 300; ++round) {
    PlanMaker p(1, 10);
    auto words = p.step(p.receiver());
    std::int64_t wordsSlide = upTo(3) * 10;
    p.plan.mutable_nodes(int(words) - 1)->set_slide_ms(wordsSlide);
    for (std::int64_t windows = upTo(3); windows > 0; --windows) {
      std::int64_t slide = upTo(5) * wordsSlide, count = upTo(8);
      if (random() % 2) {
        auto window = p.window(words, std::uint32_t(count), slide);
        p.plan.mutable_nodes(int(window) - 1)->mutable_edges(0)->set_shift_step_ms(wordsSlide);
      } else {
        inverse(p, words, count * slide, slide);
      }
    }
    const std::int64_t zero = upTo(4) * 10, when = zero + upTo(60) * 10;
    std::set<std::int64_t> read;
    for (const auto& node : p.plan.nodes()) {
      for (std::int64_t t = zero + node.slide_ms(); node.slide_ms() > 0 && t < when + 3000; t += node.slide_ms()) {
        for (const auto& edge : node.edges()) {
          if (edge.parent() != words || node.id() == words || t <= when) continue;
          for (std::uint32_t i = 0; i < std::max(edge.shifts(), 1u); ++i) {
            std::int64_t at = t - edge.first_shift_ms() - std::int64_t(i) * edge.shift_step_ms();
            if (at > zero && at <= when && (at - zero) % wordsSlide == 0) read.insert(at);
          }
        }
      }
    }
    ASSERT_EQ(timesOf(panesAt(p.plan, zero, when), words), Times(read.begin(), read.end())) << p.plan.nodes_size() << " nodes, zero " << zero << ", at " << when;
  }
}

TEST(Panes, TimesMoveOnceNoWindowReachesThemAnyMore) {
  PlanMaker p(1, 10);
  auto words = p.step(p.receiver());
  inverse(p, words, 40, 10);
  p.window(words, 3, 30);
  for (std::int64_t down : {0, 10, 50}) EXPECT_EQ(movedBy(p.plan, down), 0) << down;
  for (std::int64_t down = 60; down < 10'000; down += 10) {
    std::int64_t moved = movedBy(p.plan, down);
    EXPECT_EQ(moved % 30, 0) << "a multiple of all slides";
    EXPECT_GE(down - moved, 50) << "all that it holds has left when the stream goes on";
    EXPECT_LT(down - moved, 50 + 30) << "and not many batches are run for that";
  }
}

TEST(Panes, TheReachOfWindowsOfWindowsAddsUp) {
  PlanMaker p(1, 10);
  p.window(p.window(p.step(p.receiver()), 4), 4);
  EXPECT_EQ(movedBy(p.plan, 80), 0);
  EXPECT_EQ(movedBy(p.plan, 90), 10);
}

TEST(Panes, AStateThatAWindowIsMadeOfIsTimed) {
  PlanMaker p(1, 10);
  auto received = p.receiver();
  auto above = p.state(received);
  auto untimed = p.state(p.step(above));
  auto below = p.state(p.reduce(p.step(above)));
  auto leaving = inverse(p, p.step(below), 40, 10);
  EXPECT_EQ(timedStates(p.plan), (std::set<std::uint32_t>{above, below, leaving})) << untimed;
}

// ---- what is taken up of a checkpoint ----

proto::CheckpointFile fileOf(std::uint32_t node, const std::string& uid, std::int64_t when, std::uint32_t partition, bool pane, const std::string& type) {
  proto::CheckpointFile file;
  file.set_node(node), file.set_uid(uid), file.set_when_ms(when), file.set_partition(partition), file.set_pane(pane), file.set_type_name(type);
  return file;
}

// receiver 1 -> kept 2 -> inverse window 3, and a state 4, as an application had them with ids that are higher by ten.
struct Changed {
  Changed() : plan(1, 10) {
    auto received = plan.receiver();
    auto counts = plan.reduce(received, 2);
    inverse(plan, counts, 40, 10);
    plan.state(received);
    for (auto& node : *plan.plan.mutable_nodes()) node.set_type_name("pair<string,int>"), node.set_state_type_name("pair<string,int>");
    manifest.set_when_ms(100), manifest.set_zero_ms(0), manifest.set_interval_ms(10), manifest.set_default_partitions(2);
    for (std::uint32_t p : {0, 1}) {
      for (std::int64_t t : {70, 80, 90, 100}) *manifest.add_files() = fileOf(12, "n2", t, p, true, "pair<string,int>");
      *manifest.add_files() = fileOf(13, "n3", 100, p, false, "pair<string,int>");
      *manifest.add_files() = fileOf(14, "n4", 100, p, false, "pair<string,int>");
    }
    auto* source = manifest.add_sources();
    source->set_node(11), source->set_uid("n1");
    auto* count = manifest.add_counts();
    count->set_node(11), count->set_when_ms(90), count->set_partitions(5);
  }
  Times timesOf(const TakenUp& up, std::uint32_t node) const {
    std::set<std::int64_t> times;
    for (const auto& file : up.taken.files()) {
      if (file.node() == node) times.insert(file.when_ms());
    }
    return {times.begin(), times.end()};
  }
  PlanMaker plan;
  proto::Manifest manifest;
};

TEST(TakeUp, NodesAreFoundByTheirUids) {
  Changed c;
  TakenUp up = takeUp(c.manifest, c.plan.plan, 105);
  EXPECT_EQ(up.error, "");
  EXPECT_TRUE(up.warnings.empty());
  EXPECT_EQ(up.resumedMs, 100);
  EXPECT_EQ(c.timesOf(up, 2), (Times{70, 80, 90, 100}));
  EXPECT_EQ(c.timesOf(up, 3), Times{100});
  ASSERT_EQ(up.taken.counts_size(), 1);
  EXPECT_EQ(up.taken.counts(0).node(), 1u);
}

// A state that belongs to no time is taken up where the stream goes on; windows see how long it was down.
TEST(TakeUp, WindowsKeepTheirTimes) {
  Changed c;
  TakenUp up = takeUp(c.manifest, c.plan.plan, 127);
  EXPECT_EQ(up.resumedMs, 120);
  EXPECT_EQ(c.timesOf(up, 2), (Times{70, 80, 90, 100}));
  EXPECT_EQ(c.timesOf(up, 3), Times{100});
  EXPECT_EQ(c.timesOf(up, 4), Times{120});
  TakenUp later = takeUp(c.manifest, c.plan.plan, 100'000);
  EXPECT_EQ(c.timesOf(later, 2), (Times{99'920, 99'930, 99'940, 99'950}));
  EXPECT_EQ(c.timesOf(later, 3), Times{99'950}) << "five batches, not ten thousand, until all has left";
  EXPECT_EQ(c.timesOf(later, 4), Times{100'000});
  EXPECT_EQ(later.taken.counts(0).when_ms(), 99'940);
}

TEST(TakeUp, WhatAWindowNoLongerFitsIsLeftOutAndSaid) {
  auto warningOf = [](auto change) {
    Changed c;
    auto& files = *c.manifest.mutable_files();
    files.erase(std::remove_if(files.begin(), files.end(), [](const auto& file) { return !file.pane(); }), files.end());
    change(c.plan.plan);
    TakenUp up = takeUp(c.manifest, c.plan.plan, 100);
    EXPECT_EQ(up.error, "");
    EXPECT_EQ(up.warnings.size(), 1u);
    return up.warnings.empty() ? "" : up.warnings[0];
  };
  const std::string begin = "what the checkpoint holds of the windows over n2 is left out: ";
  EXPECT_EQ(warningOf([](proto::Plan& plan) { plan.mutable_nodes(1)->set_uid("other"); }), begin + "the application has no such window");
  EXPECT_EQ(warningOf([](proto::Plan& plan) { plan.mutable_nodes(1)->set_type_name("int"); }), begin + "its records are pair<string,int>, and the application's int");
  EXPECT_EQ(warningOf([](proto::Plan& plan) { plan.mutable_nodes(1)->set_partitions(3); }), begin + "it lies in 2 partitions, and the application's in 3");
  EXPECT_EQ(warningOf([](proto::Plan& plan) { plan.mutable_nodes(1)->set_slide_ms(20); }), begin + "it had another slide");
}

TEST(TakeUp, AStateThatIsNewBeginsEmptyAndNotAtZeroTime) {
  Changed c;
  auto fresh = c.plan.state(1);
  c.plan.plan.mutable_nodes(int(fresh) - 1)->set_partitions(2);
  TakenUp up = takeUp(c.manifest, c.plan.plan, 127);
  EXPECT_EQ(up.error, "");
  EXPECT_EQ(c.timesOf(up, fresh), Times{120});
  auto late = inverse(c.plan, c.plan.reduce(1, 2), 20, 10);
  EXPECT_EQ(c.timesOf(takeUp(c.manifest, c.plan.plan, 127), late), Times{60}) << "ahead of all that is known";
}

// What is in it would stay for good.
TEST(TakeUp, AnInverseWindowNeedsWhatHasStillToLeaveIt) {
  Changed c;
  c.plan.plan.mutable_nodes(1)->set_uid("other");
  EXPECT_EQ(takeUp(c.manifest, c.plan.plan, 100).error,
            "the checkpoint has the window n3, and not the batches that have still to leave it; give the operations below it the names that they had by "
            ".uid(...), or use another checkpoint directory");
}

TEST(TakeUp, CountsThatNobodyCouldHaveAreLeftOut) {
  Changed c;
  c.manifest.mutable_counts(0)->set_partitions(~0u);
  EXPECT_EQ(takeUp(c.manifest, c.plan.plan, 100).taken.counts_size(), 0);
}

TEST(TakeUp, AStateThatDoesNotFitIsAnError) {
  auto errorOf = [](auto change) {
    Changed c;
    change(c.plan.plan);
    return takeUp(c.manifest, c.plan.plan, 100).error;
  };
  EXPECT_EQ(errorOf([](proto::Plan& plan) { plan.mutable_nodes(3)->set_uid("other"); }),
            "the checkpoint holds state that this application does not have: n4; give the operation the same .uid(...), or use another checkpoint directory");
  EXPECT_NE(errorOf([](proto::Plan& plan) { plan.mutable_nodes(3)->set_state_type_name("int"); }).find("is of pair<string,int>, and the application's of int"), std::string::npos);
  EXPECT_NE(errorOf([](proto::Plan& plan) { plan.mutable_nodes(3)->set_partitions(7); }), "");
}

// Manifests of the version before had no times, no panes, no names of sources.
TEST(TakeUp, OlderCheckpointsAreTakenUpAsFarAsTheyGo) {
  Changed c;
  proto::Manifest old = c.manifest;
  old.clear_files(), old.clear_sources(), old.clear_counts();
  for (std::uint32_t p : {0, 1}) *old.add_files() = fileOf(14, "n4", 0, p, false, "pair<string,int>");
  auto* waiting = old.add_unallocated();
  waiting->set_node(1), waiting->set_records_per_second(7);
  TakenUp up = takeUp(old, c.plan.plan, 127);
  EXPECT_EQ(up.error, "");
  EXPECT_EQ(c.timesOf(up, 4), Times{120});
  ASSERT_EQ(up.unallocated.size(), 1u);
  EXPECT_EQ(up.unallocated[0].node(), 1u);
}

}  // namespace
}  // namespace sluice::master
