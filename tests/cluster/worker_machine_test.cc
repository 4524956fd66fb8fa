// The worker's machine by itself: orders, packages that arrive in pieces, exits while the master is away.
#include "worker/machine.h"

#include <gtest/gtest.h>

#include <map>
#include <set>
#include <string>
#include <vector>

namespace sluice::worker {
namespace {

// Remembers what was asked for; files are strings.
class FakeEffects final : public Effects {
 public:
  void send(Peer, EnvelopePtr envelope, std::uint64_t) override { sent.push_back(envelope); }
  void arm(TimerName timer, Moment at) override { timers[timer] = at; }
  void disarm(TimerName timer) override { timers.erase(timer); }
  void log(const std::string& line) override { lines.push_back(line); }
  void connectMaster(std::size_t which) override { tried.push_back(which); }
  bool holds(const proto::Image& image) override { return files[image.hash()].size() == image.size(); }
  absl::Status keep(const proto::Put& piece, const Bytes& bytes) override {
    if (diskFull) return absl::ResourceExhaustedError("disk full");
    auto& file = files[piece.hash()];
    if (file.size() == piece.offset()) file += bytes.view();
    return absl::OkStatus();
  }
  std::uint64_t upTo(std::uint64_t hash, std::uint64_t) override { return files[hash].size(); }
  absl::Status startExecutor(const proto::StartExecutor& order) override {
    if (refuse) return absl::InternalError("no such program");
    started.insert(order.executor());
    return absl::OkStatus();
  }
  absl::Status startDriver(const proto::StartDriver& order) override { return startedDrivers.insert(order.driver()), absl::OkStatus(); }
  void endExecutor(ExecutorId executor, bool force) override { ended.emplace_back(executor.value, force); }
  void endDriver(DriverId driver, bool force) override { ended.emplace_back(driver.value, force); }
  std::uint64_t residentBytes(ExecutorId) override { return resident; }
  void leave(int exitCode, const std::string& line) override { left = exitCode, leftWhy = line; }

  // The last message sent, which must be of the kind that `has` asks for.
  const proto::Message& last() const { return sent.back()->message; }

  std::vector<EnvelopePtr> sent;
  std::map<TimerName, Moment> timers;
  std::vector<std::string> lines;
  std::vector<std::size_t> tried;
  std::map<std::uint64_t, std::string> files;
  std::set<std::uint64_t> started, startedDrivers;
  std::vector<std::pair<std::uint64_t, bool>> ended;
  std::uint64_t resident = 0;
  bool diskFull = false, refuse = false;
  int left = -1;
  std::string leftWhy;
};

class WorkerMachineTest : public testing::Test {
 protected:
  WorkerMachineTest() : machine_(options(), effects_) {
    machine_.start(now_);
    machine_.onSession(kMasterPeer, true, now_);
    registered();
  }
  static Options options() {
    Options options;
    options.worker = WorkerId(7);
    options.host = "here";
    options.slots = 4;
    options.memoryBytes = 1 << 30;
    options.masters = {"a:7077", "b:7077"};
    return options;
  }
  void registered() {
    auto [envelope, body] = compose(&proto::Message::mutable_registered);
    body->set_worker(7);
    tell(envelope);
  }
  void tell(EnvelopePtr envelope) { machine_.onMessage(kMasterPeer, envelope, now_); }
  static std::shared_ptr<Envelope> startExecutor(std::uint64_t id) {
    auto [envelope, order] = compose(&proto::Message::mutable_start_executor);
    order->set_app(1), order->set_executor(id), order->set_app_id("app-1");
    order->set_memory_bytes(100 << 20);
    auto* image = order->mutable_package()->add_images();
    image->set_name("libapp.so"), image->set_hash(99), image->set_size(6);
    return envelope;
  }
  static std::shared_ptr<Envelope> piece(std::uint64_t offset, const std::string& bytes) {
    auto [envelope, put] = compose(&proto::Message::mutable_put);
    put->set_hash(99), put->set_offset(offset), put->set_size(6);
    envelope->attachments.push_back(Bytes::of(bytes));
    return envelope;
  }

  FakeEffects effects_;
  Moment now_{1'000'000};
  Machine machine_;
};

TEST_F(WorkerMachineTest, RegistersWithWhatItHas) {
  ASSERT_TRUE(effects_.sent.front()->message.has_enrol());
  const auto& enrol = effects_.sent.front()->message.enrol();
  EXPECT_EQ(enrol.worker(), 7u);
  EXPECT_EQ(enrol.slots(), 4u);
  EXPECT_EQ(enrol.host(), "here");
}

TEST_F(WorkerMachineTest, AsksForThePackagePieceByPieceThenStarts) {
  tell(startExecutor(5));
  ASSERT_TRUE(effects_.last().has_have());
  EXPECT_EQ(effects_.last().have().up_to(), 0u);
  tell(piece(0, "abc"));
  EXPECT_EQ(effects_.last().have().up_to(), 3u);
  EXPECT_TRUE(effects_.started.empty());
  tell(piece(0, "abc"));  // repeated
  EXPECT_EQ(effects_.last().have().up_to(), 3u);
  tell(piece(3, "def"));
  EXPECT_EQ(effects_.started, std::set<std::uint64_t>{5});
  tell(startExecutor(6));  // the package is here now
  EXPECT_EQ(effects_.started, (std::set<std::uint64_t>{5, 6}));
}

TEST_F(WorkerMachineTest, AsksAgainAfterTheSessionBroke) {
  tell(startExecutor(5));
  tell(piece(0, "abc"));
  machine_.onSession(kMasterPeer, false, now_);
  machine_.onSession(kMasterPeer, true, now_);
  ASSERT_TRUE(effects_.last().has_enrol());
  EXPECT_EQ(effects_.last().enrol().executors_size(), 1);
  registered();
  EXPECT_EQ(effects_.last().have().up_to(), 3u);
}

TEST_F(WorkerMachineTest, SaysWhyAnExecutorCannotStart) {
  effects_.diskFull = true;
  tell(startExecutor(5));
  tell(piece(0, "abc"));
  ASSERT_TRUE(effects_.last().has_executor_down());
  EXPECT_EQ(effects_.last().executor_down().how(), "cannot be started: the package file libapp.so cannot be had: disk full");
  EXPECT_TRUE(machine_.idle());
  effects_.diskFull = false, effects_.refuse = true;
  effects_.files[99] = "abcdef";
  tell(startExecutor(6));
  EXPECT_EQ(effects_.last().executor_down().how(), "cannot be started: no such program");
  EXPECT_TRUE(machine_.idle());
}

TEST_F(WorkerMachineTest, TellsOfAnExitWhenTheMasterIsBack) {
  effects_.files[99] = "abcdef";
  tell(startExecutor(5));
  machine_.onSession(kMasterPeer, false, now_);
  machine_.onExecutorExit(ExecutorId(5), "killed by signal 11", "map at wordcount.cc:12", true);
  machine_.onSession(kMasterPeer, true, now_);
  EXPECT_EQ(effects_.last().enrol().executors_size(), 0);
  registered();
  ASSERT_TRUE(effects_.last().has_executor_down());
  EXPECT_EQ(effects_.last().executor_down().how(), "killed by signal 11");
  EXPECT_EQ(effects_.last().executor_down().crash(), "map at wordcount.cc:12");
  EXPECT_TRUE(effects_.last().executor_down().user_code());
}

TEST_F(WorkerMachineTest, KillsWhatWillNotEnd) {
  effects_.files[99] = "abcdef";
  tell(startExecutor(5));
  auto [envelope, stop] = compose(&proto::Message::mutable_stop_executor);
  stop->set_executor(5);
  tell(envelope);
  EXPECT_EQ(effects_.ended, (std::vector<std::pair<std::uint64_t, bool>>{{5, false}}));
  for (auto [timer, at] : std::map(effects_.timers)) {
    if (timer.a == 5) machine_.onTimer(timer, at);
  }
  EXPECT_EQ(effects_.ended.back(), (std::pair<std::uint64_t, bool>{5, true}));
}

TEST_F(WorkerMachineTest, KillsAnExecutorOverItsMemoryAndSaysSo) {
  effects_.files[99] = "abcdef";
  tell(startExecutor(5));
  auto check = [&] {
    for (auto [timer, at] : std::map(effects_.timers)) machine_.onTimer(timer, now_);
  };
  effects_.resident = memoryLimit(100 << 20);
  check();
  EXPECT_TRUE(effects_.ended.empty());
  effects_.resident += 1 << 20;
  check();
  EXPECT_EQ(effects_.ended, (std::vector<std::pair<std::uint64_t, bool>>{{5, true}}));
  machine_.onExecutorExit(ExecutorId(5), "killed by signal 9", "", false);
  EXPECT_EQ(effects_.last().executor_down().how(),
            "killed by its worker: it used 279 MB of memory with a budget of 100 MB; give it more with --executor-memory, or hold less "
            "in the application's own objects");
}

TEST_F(WorkerMachineTest, IgnoresOrdersOfAnEarlierTerm) {
  auto late = startExecutor(5);
  late->message.set_term(2);
  tell(late);
  auto stale = startExecutor(6);
  stale->message.set_term(1);
  tell(stale);
  effects_.files[99] = "abc";
  tell(piece(3, "def"));  // files have no term
  EXPECT_EQ(effects_.started, std::set<std::uint64_t>{5});
}

TEST_F(WorkerMachineTest, TriesTheNextMasterAndGivesUpInOneLine) {
  machine_.onSession(kMasterPeer, false, now_);
  machine_.onTimer(TimerName{2}, now_ + Milliseconds(5000));
  EXPECT_EQ(effects_.tried.back(), 1u);
  EXPECT_EQ(effects_.left, -1);
  machine_.onTimer(TimerName{2}, now_ + Minutes(15));
  EXPECT_EQ(effects_.left, 3);
  EXPECT_EQ(effects_.leftWhy, "no master answers at a:7077, b:7077; is sluice-master running there?");
}

TEST_F(WorkerMachineTest, LeavesWhenRefused) {
  auto [envelope, body] = compose(&proto::Message::mutable_registered);
  body->set_error("it is of version 9, the master of version 1");
  tell(envelope);
  EXPECT_EQ(effects_.left, 1);
  EXPECT_EQ(effects_.leftWhy, "the master at a:7077 refused this worker: it is of version 9, the master of version 1");
}

}  // namespace
}  // namespace sluice::worker
