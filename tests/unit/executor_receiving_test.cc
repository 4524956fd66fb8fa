// Receivers within the machine: their blocks, copies of them, seals, and how they end and begin.
#include <atomic>
#include <thread>

#include "executor_plans.h"
#include "worker/executor/control.h"

namespace sluice::executor::testing {
namespace {

// A receiver that the test drives: what it puts in, and when.
class Driven final : public ReceiverBase {
 public:
  static inline std::atomic<BlockSink*> sink = nullptr;
  void onStart(BlockSink& s) override { sink = &s; }
  void onStop() override { sink = nullptr; }
};
const ReceiverDesc kDriven{ReceiverDesc::kMagic, "Driven", [](const char*, std::size_t) -> ReceiverBase* { return new Driven; }};

class Receiving : public ::testing::Test {
 protected:
  Receiving() : fleet(2) {
    auto& source = plan.add<std::string_view>(proto::NODE_SOURCE, "socketTextStream");
    source.mutable_source()->set_kind(proto::SOURCE_RECEIVER);
    source.set_slide_ms(1000);
    plan.output(source, proto::OUTPUT_RESULTS);
    fleet.install(plan, 2);
    auto [envelope, start] = compose(&proto::Message::mutable_start_receiver);
    start->set_node(1), start->set_incarnation(1), start->set_template_hash(7);
    start->set_zero_ms(999'000), start->set_interval_ms(1000), start->set_next_seal_ms(1'001'000);
    start->add_copies_to(2);
    start->mutable_source()->set_kind(proto::SOURCE_RECEIVER);
    *start->mutable_source()->mutable_receiver() = codeAt(&kDriven);
    fleet.at(1).machine->onMessage(kMasterPeer, envelope, fleet.now);
    fleet.toMaster.clear();
    thread = std::thread(std::move(fleet.at(1).threads.at(0)));
    while (Driven::sink == nullptr) std::this_thread::yield();
  }
  ~Receiving() override {
    fleet.at(1).machine.reset();
    thread.join();
  }
  std::vector<proto::Stored> stored() {
    std::vector<proto::Stored> all;
    for (const auto& envelope : fleet.ofKind(proto::Message::kStored)) all.push_back(envelope->message.stored());
    return all;
  }
  void tick() { fleet.fire(fleet.at(1), kReceiverTimer); }
  void work() {
    while (fleet.runWork(fleet.at(1))) {
    }
  }
  Fleet fleet;
  PlanMaker plan;
  std::thread thread;
};

TEST_F(Receiving, BlocksAreCopiedBeforeTheyAreToldAndSealedInOrder) {
  tick();
  while (fleet.deliverOne()) {
  }
  EXPECT_TRUE(stored().empty()) << "an interval without data makes no block";
  Driven::sink.load()->addText("one\ntwo\nthr");
  tick();  // the block interval is over
  EXPECT_TRUE(stored().empty()) << "the copy is still on its way";
  while (fleet.deliverOne()) {
  }
  ASSERT_EQ(stored().size(), 1u);
  EXPECT_EQ(stored()[0].first_sequence(), 1u);
  ASSERT_EQ(stored()[0].blocks_size(), 1);
  EXPECT_EQ(stored()[0].blocks(0).bytes(), 8u);
  proto::Input block = stored()[0].blocks(0);
  EXPECT_EQ(std::vector<std::uint64_t>(block.holders().begin(), block.holders().end()), (std::vector<std::uint64_t>{1, 2}));
  EXPECT_EQ(stored()[0].sealed_ms(), 0);
  // At the grid time the rest is cut, and sealed when it is told.
  Driven::sink.load()->addText("ee\n");
  while (stored().size() < 2) {
    fleet.now = std::max(fleet.now, Moment::of(Time(1'001'000)));
    tick();
    while (fleet.deliverOne()) {
    }
  }
  EXPECT_EQ(stored().back().sealed_ms(), 1'001'000);
  // A batch over both blocks, on the executor that only has copies.
  auto [envelope, launch] = fleet.launch(1'001'000);
  launch->set_zero_ms(999'000);
  auto& count = *launch->add_counts();
  count.set_node(1), count.set_when_ms(1'001'000), count.set_partitions(1);
  auto& partition = *launch->add_sources();
  partition.set_node(1), partition.set_when_ms(1'001'000);
  for (const auto& told : stored()) {
    for (const auto& block : told.blocks()) *partition.add_inputs() = block;
  }
  Fleet::addTask(*launch, 0, 1'001'000, 0);
  fleet.at(2).machine->onMessage(kMasterPeer, envelope, fleet.now);
  fleet.settle();
  EXPECT_EQ(fleet.results<std::string>()[0], (std::vector<std::string>{"one", "two", "three"}));
}

TEST_F(Receiving, StoreReliablyWaitsForAccepted) {
  std::thread storing([] { Driven::sink.load()->storeReliably(rowsOf<std::string>({"x", "y"}), 2); });
  while (stored().empty()) {
    work();
    while (fleet.deliverOne()) {
    }
    std::this_thread::yield();
  }
  ASSERT_EQ(stored()[0].blocks_size(), 1) << "what is stored at once lies in one block";
  EXPECT_EQ(stored()[0].blocks(0).records(), 2u);
  auto [envelope, accepted] = compose(&proto::Message::mutable_accepted);
  accepted->set_node(1), accepted->set_incarnation(1), accepted->set_sequence(1);
  fleet.at(1).machine->onMessage(kMasterPeer, envelope, fleet.now);
  storing.join();
  // A new session hears only what was not accepted.
  fleet.toMaster.clear();
  fleet.at(1).machine->onSession(kMasterPeer, true, fleet.now);
  const auto& report = fleet.ofKind(proto::Message::kReport).at(0)->message.report();
  ASSERT_EQ(report.receivers_size(), 1);
  EXPECT_EQ(report.receivers(0).blocks_size(), 0);
}

TEST_F(Receiving, AStoreThatWasNotAcceptedSaysSo) {
  std::string said;
  std::thread storing([&] {
    try {
      Driven::sink.load()->storeReliably(rowsOf<std::string>({"x"}), 1);
    } catch (const Error& error) {
      said = error.what();
    }
  });
  while (stored().empty()) {
    work();
    while (fleet.deliverOne()) {
    }
    std::this_thread::yield();
  }
  auto [envelope, close] = compose(&proto::Message::mutable_close_receiver);
  close->set_node(1), close->set_incarnation(1);
  fleet.at(1).machine->onMessage(kMasterPeer, envelope, fleet.now);
  storing.join();
  EXPECT_EQ(said, "the receiver was stopped before its block was accepted; the source has to send it again");
}

// What waits is bounded by bytes: whoever receives has to wait as well.
TEST_F(Receiving, TooMuchThatIsNotAcceptedMakesTheReceiverWait) {
  const std::string block(1 << 20, 'x');
  std::atomic<int> added{0};
  std::thread adding([&] {
    for (; added < 100; ++added) Driven::sink.load()->addRows(rowsOf<std::string>({block}), 1);
  });
  std::uint64_t sequence = 0, bytes = 0;
  auto told = [&] {
    bytes = 0;
    work();
    while (fleet.deliverOne()) {
    }
    for (const auto& s : stored()) {
      for (const auto& b : s.blocks()) bytes += b.bytes();
      sequence = s.first_sequence() + std::uint64_t(s.blocks_size()) - 1;
    }
    return bytes;
  };
  while (told() < (4u << 20)) std::this_thread::yield();
  EXPECT_LT(added, 100) << "an eighth of the executor's memory, or 8 MiB";
  while (added < 100) {
    auto [envelope, accepted] = compose(&proto::Message::mutable_accepted);
    told();
    accepted->set_node(1), accepted->set_incarnation(1), accepted->set_sequence(sequence);
    fleet.at(1).machine->onMessage(kMasterPeer, envelope, fleet.now);
    std::this_thread::yield();
  }
  adding.join();
  EXPECT_GE(told(), 0u);
}

TEST_F(Receiving, ARateLimitsTextToo) {
  BlockSink& sink = *Driven::sink.load();
  std::size_t size = 0;
  sink.textSpace(1 << 20, size);
  EXPECT_GE(size, 1u << 20) << "all there is, while there is no rate";
  auto [envelope, rate] = compose(&proto::Message::mutable_receiver_rate);
  rate->set_node(1), rate->set_incarnation(1), rate->set_records_per_second(1000);
  fleet.at(1).machine->onMessage(kMasterPeer, envelope, fleet.now);
  char* room = sink.textSpace(4096, size);
  EXPECT_LT(size, 10'000u) << "no more than may come at once: what came in one piece would be owed for long";
  ASSERT_GE(size, 10u);
  std::memcpy(room, "a line, 9\n", 10);
  sink.textRead(10);
  sink.textSpace(4096, size);
  EXPECT_EQ(size, 1000u) << "a tenth of a second's lines, each as long as the last";
  // Text that is given in one piece is taken piece by piece, which may take its time: until it is stopped.
  std::string much;
  for (int i = 0; i < 10'000; ++i) much += "a line, 9\n";
  std::thread storing([&] { sink.addText(much); });
  auto [closing, close] = compose(&proto::Message::mutable_close_receiver);
  close->set_node(1), close->set_incarnation(1);
  fleet.at(1).machine->onMessage(kMasterPeer, closing, fleet.now);
  storing.join();
  rate->set_incarnation(7);
  fleet.at(1).machine->onMessage(kMasterPeer, envelope, fleet.now);  // of another incarnation: nothing
}

TEST_F(Receiving, DrainTellsTheRestAndThatItStopped) {
  Driven::sink.load()->addText("last\n");
  auto [envelope, close] = compose(&proto::Message::mutable_close_receiver);
  close->set_node(1), close->set_incarnation(1), close->set_drain(true);
  fleet.at(1).machine->onMessage(kMasterPeer, envelope, fleet.now);
  while (stored().empty() || !stored().back().stopped()) {
    work();
    while (fleet.deliverOne()) {
    }
    std::this_thread::yield();
  }
  int blocks = 0;
  for (const auto& told : stored()) blocks += told.blocks_size();
  EXPECT_EQ(blocks, 1);
}

TEST_F(Receiving, RestartWaitsForItsDelay) {
  Driven::sink.load()->restart("connection refused", Milliseconds(500));
  while (Driven::sink != nullptr) std::this_thread::yield();
  while (stored().empty() || stored().back().error().empty()) work();
  EXPECT_EQ(stored().back().error(), "restarted in 500 ms: connection refused");
  EXPECT_EQ(Driven::sink, nullptr);
  fleet.fire(fleet.at(1), kRestartTimer);
  while (Driven::sink == nullptr) std::this_thread::yield();
}

}  // namespace
}  // namespace sluice::executor::testing
