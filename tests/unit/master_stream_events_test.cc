// What a driver's listeners are told of a stream.
#include "tests/unit/master_fleet.h"

namespace sluice::master {
namespace {

constexpr std::int64_t kZero = 10'000'000;  // the fleet's clock begins half a second later

// A receiver's records, printed, saved, and handed to the driver.
proto::Plan threeOutputs() {
  PlanMaker p(31, 1000);
  auto reduced = p.reduce(p.step(p.receiver()));
  p.plan.mutable_nodes(0)->set_name("socketTextStream"), p.plan.mutable_nodes(0)->set_site("a.cc:1");
  auto& other = p.node(proto::NODE_SOURCE);
  other.mutable_source()->set_kind(proto::SOURCE_BATCHES), other.set_name("input");
  auto* batch = other.mutable_source()->add_batches();
  for (std::uint64_t records : {2, 3}) batch->add_inputs()->set_records(records);
  auto last = p.plan.nodes_size();
  p.output(reduced, proto::OUTPUT_PRINT).output(reduced, proto::OUTPUT_FILES).output(reduced, proto::OUTPUT_DRIVER).output(std::uint32_t(last), proto::OUTPUT_PRINT);
  for (int i = 0; i < 4; ++i) p.plan.mutable_outputs(i)->set_name("output" + std::to_string(i)), p.plan.mutable_outputs(i)->set_site("a.cc:" + std::to_string(i + 2));
  return p.plan;
}

struct MasterStreamEvents : testing::Test {
  void start(const proto::Plan& plan, bool events = true) {
    fleet.driver(Fleet::messageOf(&proto::Message::mutable_start_stream, [&](proto::StartStream& start) {
      start.set_app(1), start.set_stream(1), start.set_events(events);
      *start.mutable_plan() = plan;
    }));
  }
  void watch(bool on) {
    fleet.driver(Fleet::messageOf(&proto::Message::mutable_watch_stream, [&](proto::WatchStream& watch) {
      watch.set_app(1), watch.set_stream(1), watch.set_on(on);
    }));
  }
  std::uint64_t receiver() {
    for (auto& [id, executor] : fleet.executors) {
      if (executor->receivers.contains(1)) return id;
    }
    return 0;
  }
  std::vector<proto::StreamEvent> events() {
    std::vector<proto::StreamEvent> all;
    for (const auto& m : fleet.received(proto::Message::kStreamEvent)) all.push_back(m.stream_event());
    return all;
  }
  std::vector<std::string> words() {
    static const char* kWords[] = {"?", "started", "receiver started", "receiver error", "receiver stopped", "submitted", "begun", "completed", "output begun", "output ended"};
    std::vector<std::string> all;
    for (const auto& event : events()) {
      std::string word = kWords[event.kind()];
      all.push_back(event.kind() >= proto::StreamEvent::OUTPUT_STARTED ? word + " " + std::to_string(event.output()) : word);
    }
    return all;
  }
  void batch(std::int64_t when, std::vector<proto::Input> blocks = {}) {
    fleet.advance(when - fleet.now.time().milliseconds());
    fleet.executors[receiver()]->seal(1, when, std::move(blocks));
    fleet.settle();
  }
  proto::Input block() {
    proto::Input input;
    input.set_bytes(100), input.set_records(10), input.mutable_block();
    input.add_holders(receiver());
    return input;
  }
  Fleet fleet;
};

TEST_F(MasterStreamEvents, NobodyIsToldWhoDoesNotListen) {
  start(threeOutputs(), false);
  batch(kZero + 1000);
  EXPECT_TRUE(events().empty());
}

TEST_F(MasterStreamEvents, ABatchFromItsInputsToItsLastOutput) {
  start(threeOutputs());
  EXPECT_EQ(words(), (std::vector<std::string>{"started", "receiver started"}));
  EXPECT_EQ(events()[1].receiver().name(), "socketTextStream at a.cc:1");
  EXPECT_TRUE(events()[1].receiver().active());
  EXPECT_EQ(events()[1].receiver().executor(), receiver());
  fleet.toDriver.clear();
  batch(kZero + 1000, {block()});
  auto told = words();
  ASSERT_EQ(told.size(), 11u);
  EXPECT_EQ(told.front(), "submitted");
  EXPECT_EQ(told[1], "begun");
  EXPECT_EQ(told.back(), "completed");
  for (int i = 0; i < 4; ++i) {
    auto begun = std::find(told.begin(), told.end(), "output begun " + std::to_string(i)), ended = std::find(told.begin(), told.end(), "output ended " + std::to_string(i));
    ASSERT_NE(ended, told.end()) << i;
    EXPECT_LT(begun, ended);
  }
  auto last = events().back().batch();
  EXPECT_EQ(last.when_ms(), kZero + 1000);
  EXPECT_LE(last.submitted_ms(), last.started_ms());
  EXPECT_LE(last.started_ms(), last.ended_ms());
  ASSERT_EQ(last.inputs_size(), 2);
  EXPECT_EQ(last.inputs(0).source(), 0u);
  EXPECT_EQ(last.inputs(0).records(), 10u);
  EXPECT_EQ(last.inputs(1).source(), 1u);
  EXPECT_EQ(last.inputs(1).records(), 5u);
  EXPECT_EQ(last.outputs(2).name(), "output2");
  EXPECT_EQ(last.outputs(2).site(), "a.cc:4");
  for (const auto& output : last.outputs()) EXPECT_EQ(output.failure(), "");
}

TEST_F(MasterStreamEvents, WhatFailsSaysWhy) {
  fleet.fails = [](std::uint64_t, const Stage& stage, std::int64_t, std::uint32_t, std::uint32_t) -> std::optional<proto::Failed> {
    if (stage.sink != Stage::Sink::kOutput || stage.output != 0) return {};
    proto::Failed failed;
    failed.set_domain(proto::DOMAIN_USER), failed.set_message("boom");
    return failed;
  };
  fleet.answerDriver = false;
  start(threeOutputs());
  batch(kZero + 1000, {block()});
  fleet.driver(Fleet::messageOf(&proto::Message::mutable_output_done, [&](proto::OutputDone& done) {
    done.set_app(1), done.set_stream(1), done.set_when_ms(kZero + 1000), done.set_output(2), done.set_error("of the driver");
  }));
  ASSERT_EQ(words().back(), "completed");
  auto last = events().back().batch();
  EXPECT_EQ(last.outputs(0).failure(), "boom");
  EXPECT_EQ(last.outputs(1).failure(), "");
  EXPECT_EQ(last.outputs(2).failure(), "of the driver");
}

TEST_F(MasterStreamEvents, ReceiversThatErrAndStop) {
  start(threeOutputs());
  fleet.toDriver.clear();
  std::uint64_t at = receiver();
  auto stored = [&](const std::string& error, bool stopped) {
    fleet.tell({Role::kExecutor, at}, Fleet::messageOf(&proto::Message::mutable_stored, [&](proto::Stored& stored) {
                 stored.set_app(1), stored.set_node(1), stored.set_incarnation(fleet.executors[at]->receivers[1]), stored.set_executor(at);
                 stored.set_first_sequence(1), stored.set_error(error), stored.set_stopped(stopped);
               }));
    fleet.settle();
  };
  stored("cannot connect", false);
  stored("", true);
  stored("", true);  // said again
  EXPECT_EQ(words(), (std::vector<std::string>{"receiver error", "receiver stopped"}));
  EXPECT_EQ(events()[0].receiver().last_error(), "cannot connect");
  EXPECT_GT(events()[0].receiver().last_error_ms(), 0);
  EXPECT_FALSE(events()[1].receiver().active());
}

TEST_F(MasterStreamEvents, AReceiverWhoseExecutorIsLostStartsElsewhere) {
  start(threeOutputs());
  fleet.toDriver.clear();
  std::uint64_t before = receiver();
  fleet.kill(before);
  fleet.settle();
  EXPECT_EQ(words(), (std::vector<std::string>{"receiver stopped", "receiver started"}));
  EXPECT_EQ(events()[0].receiver().executor(), before);
  EXPECT_EQ(events()[1].receiver().executor(), receiver());
}

TEST_F(MasterStreamEvents, CanBeAskedForLater) {
  start(threeOutputs(), false);
  batch(kZero + 1000, {block()});
  fleet.answerDriver = false;
  batch(kZero + 2000, {block()});
  watch(true);
  fleet.answerDriver = true;
  fleet.answer(fleet.received(proto::Message::kRunOutput).back());
  fleet.settle();
  EXPECT_EQ(words().back(), "completed") << "of the batch that was under way as much as is known";
  EXPECT_EQ(events().back().batch().inputs(0).records(), 10u);
  std::size_t before = events().size();
  watch(false);
  batch(kZero + 3000);
  EXPECT_EQ(events().size(), before);
}

}  // namespace
}  // namespace sluice::master
