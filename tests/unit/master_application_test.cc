// Applications, workers and drivers: who gets which slots, who is started again, how it ends.
#include "common/resource_settings.h"
#include "tests/unit/master_fleet.h"

namespace sluice::master {
namespace {

// The shell again, without executors: everything that is sent stays to be looked at.
class Desk : public Effects {
 public:
  Desk() {
    options.tellsDrivers = true;
    machine = std::make_unique<Machine>(options, *this);
    machine->start(now);
    sync();
  }
  void send(Peer to, EnvelopePtr envelope, std::uint64_t after) override {
    if (after > synced) held.emplace_back(to, envelope);
    else sent.emplace_back(to, envelope);
  }
  void arm(TimerName timer, Moment at) override { timers[timer] = at; }
  void disarm(TimerName timer) override { timers.erase(timer); }
  void log(const std::string& line) override { logged.push_back(line); }
  std::uint64_t append(const proto::JournalRecord& record) override {
    journal.push_back(record);
    return journal.size();
  }
  void appendLog(AppId, std::uint64_t, const std::string&) override {}
  void sendLog(Peer, AppId, std::uint64_t) override {}
  void writeManifest(AppId, std::uint32_t, const std::string&, const proto::Manifest&, int) override {}
  void readManifest(AppId, std::uint32_t, const std::string&) override {}

  // Another master, on this one's journal.
  void restart() {
    sent.clear(), timers.clear();
    std::string before = machine->journalSnapshot().SerializeAsString();
    machine = replayed(options, *this, journal);
    EXPECT_TRUE(machine->journalSnapshot().SerializeAsString() == before);
    machine->start(now);
    sync();
  }
  void sync() {
    synced = journal.size();
    machine->onSynced(synced, now);
    for (auto& entry : std::exchange(held, {})) sent.push_back(entry);
  }
  void tell(Peer from, EnvelopePtr envelope) {
    machine->onMessage(from, envelope, now);
    sync();
  }
  void advance(std::int64_t ms) {
    Moment until = now + Milliseconds(ms);
    for (;;) {
      auto next = std::min_element(timers.begin(), timers.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
      if (next == timers.end() || next->second > until) break;
      TimerName name = next->first;
      now = std::max(now, next->second);
      timers.erase(next);
      machine->onTimer(name, now);
      sync();
    }
    now = until;
  }
  void worker(std::uint64_t id, std::uint32_t slots, std::uint64_t memoryMb = 1024, std::vector<std::uint64_t> executors = {}, std::uint64_t start = 1,
              const ResourceMap& resources = {}) {
    machine->onSession({Role::kWorker, id}, true, now);
    tell({Role::kWorker, id}, Fleet::messageOf(&proto::Message::mutable_enrol, [&](proto::Register& enrol) {
           enrol.set_worker(id), enrol.set_start(start), enrol.set_host("host" + std::to_string(id)), enrol.set_slots(slots);
           enrol.set_memory_bytes(memoryMb << 20);
           for (auto executor : executors) enrol.add_executors(executor);
           writeResources(resources, *enrol.mutable_resources());
         }));
  }
  proto::Submitted submit(Peer from, std::uint64_t nonce, std::vector<std::string> conf = {}, bool cluster = false, bool supervise = false,
                          std::uint64_t driver = 0, std::optional<std::uint32_t> executors = {}) {
    tell(from, Fleet::messageOf(&proto::Message::mutable_submit, [&](proto::Submit& submit) {
           submit.set_nonce(nonce), submit.set_name("app"), submit.set_cluster_mode(cluster), submit.set_supervise(supervise), submit.set_driver(driver);
           for (const auto& pair : conf) submit.add_conf(pair);
           if (executors) submit.set_executors(*executors);
         }));
    auto answers = to(from, proto::Message::kSubmitted);
    return answers.empty() ? proto::Submitted() : answers.back().submitted();
  }
  void report(std::uint64_t app, std::uint64_t executor) {
    machine->onSession({Role::kExecutor, executor}, true, now);
    tell({Role::kExecutor, executor}, Fleet::messageOf(&proto::Message::mutable_report, [&](proto::Report& report) {
           report.set_app(app), report.set_executor(executor), report.set_slots(2), report.set_host("h");
         }));
  }
  std::vector<proto::Message> to(Peer peer, proto::Message::BodyCase body) const {
    std::vector<proto::Message> found;
    for (const auto& [to, envelope] : sent) {
      if (to == peer && envelope->message.body_case() == body) found.push_back(envelope->message);
    }
    return found;
  }
  // Slots of the executors that were ordered, by worker.
  std::map<std::uint64_t, std::vector<std::uint32_t>> ordered(std::uint64_t app) const {
    std::map<std::uint64_t, std::vector<std::uint32_t>> found;
    for (const auto& [to, envelope] : sent) {
      if (envelope->message.has_start_executor() && envelope->message.start_executor().app() == app) {
        found[to.id].push_back(envelope->message.start_executor().slots());
      }
    }
    return found;
  }
  proto::StatusReply status(const std::string& id) {
    tell({Role::kClient, 9}, Fleet::messageOf(&proto::Message::mutable_status, [&](proto::Status& status) { status.set_id(id); }));
    return to({Role::kClient, 9}, proto::Message::kStatusReply).back().status_reply();
  }
  void waitForEnd(Peer client, const std::string& id) {
    tell(client, Fleet::messageOf(&proto::Message::mutable_status, [&](proto::Status& status) { status.set_id(id), status.set_when_over(true); }));
  }
  void listen(Peer driver, bool on) {
    tell(driver, Fleet::messageOf(&proto::Message::mutable_listen, [&](proto::Listen& listen) { listen.set_app(1), listen.set_on(on); }));
  }
  // Whether the executor was told last that somebody listens.
  bool tellsOfTasks(std::uint64_t executor) const {
    auto told = to({Role::kExecutor, executor}, proto::Message::kWatchTasks);
    return !told.empty() && told.back().watch_tasks().listens();
  }
  void driverDown(std::uint64_t worker, std::uint64_t driver, int exit) {
    tell({Role::kWorker, worker}, Fleet::messageOf(&proto::Message::mutable_driver_down, [&](proto::DriverDown& down) {
           down.set_driver(driver), down.set_exit(exit), down.set_how("exit " + std::to_string(exit));
         }));
  }

  Options options;
  Moment now = Moment::of(Time(1'700'000'000'000));
  std::unique_ptr<Machine> machine;
  std::vector<std::pair<Peer, EnvelopePtr>> sent, held;
  std::map<TimerName, Moment> timers;
  std::vector<std::string> logged;
  std::vector<proto::JournalRecord> journal;
  std::uint64_t synced = 0;
};

constexpr Peer kDriver{Role::kDriver, 1};
using Ordered = std::map<std::uint64_t, std::vector<std::uint32_t>>;

TEST(MasterApplication, TakesAllSlotsOfAllWorkers) {
  Desk desk;
  desk.worker(1, 4), desk.worker(2, 2);
  auto submitted = desk.submit(kDriver, 1);
  EXPECT_EQ(submitted.app_id(), "app-20231114221320-0001");
  EXPECT_EQ(submitted.default_parallelism(), 6u);
  EXPECT_EQ(desk.ordered(1), (Ordered{{1, {4}}, {2, {2}}}));
}

TEST(MasterApplication, SpreadsALimitedNumberOfSlots) {
  Desk desk;
  desk.worker(1, 8), desk.worker(2, 8), desk.worker(3, 1);
  desk.submit(kDriver, 1, {"sluice.cores.max=7"});
  EXPECT_EQ(desk.ordered(1), (Ordered{{1, {3}}, {2, {3}}, {3, {1}}}));
  desk.submit({Role::kDriver, 2}, 2, {"sluice.executor.cores=2", "sluice.executor.memory=100m"});
  EXPECT_EQ(desk.ordered(2), Ordered{});  // the first one has all the memory
}

TEST(MasterApplication, TheNextOneWaitsForItsTurn) {
  Desk desk;
  desk.worker(1, 2);
  desk.submit(kDriver, 1);
  desk.submit({Role::kDriver, 2}, 2);
  EXPECT_EQ(desk.ordered(2), Ordered{});
  EXPECT_EQ(desk.status("app-20231114221320-0002").state(), "SUBMITTED");
  desk.tell(kDriver, Fleet::messageOf(&proto::Message::mutable_end_app, [](proto::EndApp& end) { end.set_app(1); }));
  EXPECT_EQ(desk.to(kDriver, proto::Message::kAppEnded).size(), 1u);
  EXPECT_EQ(desk.to({Role::kWorker, 1}, proto::Message::kStopExecutor).size(), 1u);
  EXPECT_EQ(desk.ordered(2), (Ordered{{1, {2}}}));
  EXPECT_EQ(desk.status("app-20231114221320-0001").state(), "FINISHED");
}

TEST(MasterApplication, TheDriverIsToldWhyThereIsNoExecutor) {
  Desk desk;
  desk.machine->onSession(kDriver, true, desk.now);
  auto notices = [&](Peer driver = kDriver) {
    std::vector<std::string> texts;
    for (const auto& m : desk.to(driver, proto::Message::kNotice)) texts.push_back(m.notice().text());
    return texts;
  };
  desk.submit(kDriver, 1, {"sluice.executor.memory=2g"});
  desk.advance(14'999);
  EXPECT_TRUE(notices().empty());
  desk.advance(1);
  ASSERT_EQ(notices().size(), 1u);
  EXPECT_EQ(notices()[0], "no executor yet: no worker is registered at the master; start some (sluice-worker)");
  desk.worker(1, 2, 1024);
  desk.worker(2, 2, 512);
  desk.advance(15'000);
  ASSERT_EQ(notices().size(), 2u) << "every quarter of a minute";
  EXPECT_EQ(notices()[1], "no executor yet: none of the 2 workers of this cluster has 2048 MiB of memory free beside a free slot, but 1024 MiB at most; "
                          "ask for less (sluice.executor.memory), or start workers with more (--memory)");
  desk.worker(3, 2, 4096);
  desk.advance(15'000);
  ASSERT_EQ(notices().size(), 3u);
  EXPECT_EQ(notices()[2], "no executor yet: 1 is starting");
  std::uint64_t executor = desk.to({Role::kWorker, 3}, proto::Message::kStartExecutor).at(0).start_executor().executor();
  desk.report(1, executor);
  auto beat = [&] {
    for (std::uint64_t id : {1, 2, 3}) {
      desk.tell({Role::kWorker, id}, Fleet::messageOf(&proto::Message::mutable_heartbeat, [&](proto::Heartbeat& beat) { beat.set_worker(id); }));
    }
  };
  beat();
  desk.advance(45'000);
  beat();
  EXPECT_EQ(notices().size(), 3u) << "it has one";
  // Another application finds all slots taken.
  constexpr Peer kOther{Role::kDriver, 2}, kThird{Role::kDriver, 3};
  desk.machine->onSession(kOther, true, desk.now), desk.machine->onSession(kThird, true, desk.now);
  desk.submit(kOther, 2, {"sluice.executor.memory=100m"});
  for (auto worker : {1, 2}) desk.report(2, desk.to({Role::kWorker, std::uint64_t(worker)}, proto::Message::kStartExecutor).at(0).start_executor().executor());
  desk.submit(kThird, 3);
  desk.advance(15'000);
  EXPECT_TRUE(notices(kOther).empty());
  ASSERT_EQ(notices(kThird).size(), 1u);
  EXPECT_EQ(notices(kThird)[0], "no executor yet: all slots of the 3 workers of this cluster are taken by other applications; wait for them, limit them "
                                "(sluice.cores.max), or start more workers");
  // Lost again: it is said, and why none comes.
  desk.tell({Role::kWorker, 3}, Fleet::messageOf(&proto::Message::mutable_executor_down, [&](proto::ExecutorDown& down) {
              down.set_executor(executor), down.set_how("killed by signal 9");
            }));
  ASSERT_EQ(notices().size(), 4u);
  EXPECT_EQ(notices()[3], "executor " + std::to_string(executor) + " is gone: killed by signal 9");
}

TEST(MasterApplication, ResourcesAreHadByOneExecutorAtATime) {
  Desk desk;
  auto gpus = [](std::vector<std::string> addresses) { return ResourceMap{{"gpu", {"gpu", std::move(addresses)}}}; };
  desk.worker(1, 8, 4096, {}, 1, gpus({"0", "1", "2"}));
  desk.worker(2, 8, 4096);
  const std::vector<std::string> conf{"sluice.executor.memory=1g", "sluice.executor.cores=4", "sluice.executor.resource.gpu.amount=2", "sluice.task.resource.gpu.amount=1"};
  desk.submit(kDriver, 1, conf);
  EXPECT_EQ(desk.ordered(1), (Ordered{{1, {2}}})) << "two tasks at a time, of which each has one; the other worker has none";
  auto order = desk.to({Role::kWorker, 1}, proto::Message::kStartExecutor).at(0).start_executor();
  EXPECT_EQ(readResources(order.resources()), gpus({"0", "1"}));
  constexpr Peer kOther{Role::kDriver, 2};
  desk.machine->onSession(kOther, true, desk.now);
  desk.submit(kOther, 2, conf);
  EXPECT_EQ(desk.ordered(2), Ordered{}) << "one is left";
  desk.advance(15'000);
  ASSERT_EQ(desk.to(kOther, proto::Message::kNotice).size(), 1u);
  EXPECT_EQ(desk.to(kOther, proto::Message::kNotice)[0].notice().text(),
            "no executor yet: none of the 2 workers of this cluster has 2 of 'gpu' free beside a free slot; start workers that offer it (sluice.worker.resource.gpu.amount)");
  constexpr Peer kModest{Role::kDriver, 3};
  desk.submit(kModest, 3, {"sluice.executor.memory=1g", "sluice.executor.cores=4", "sluice.executor.resource.gpu.amount=1", "sluice.task.resource.gpu.amount=0.5"});
  EXPECT_EQ(desk.ordered(3), (Ordered{{1, {2}}})) << "two tasks share it";
  auto third = desk.to({Role::kWorker, 1}, proto::Message::kStartExecutor).at(1).start_executor();
  EXPECT_EQ(readResources(third.resources()), gpus({"2"}));
  desk.tell(kDriver, Fleet::messageOf(&proto::Message::mutable_end_app, [](proto::EndApp& end) { end.set_app(1); }));
  EXPECT_EQ(desk.ordered(2), (Ordered{{1, {2}}})) << "they are free again";
  EXPECT_EQ(readResources(desk.to({Role::kWorker, 1}, proto::Message::kStartExecutor).at(2).start_executor().resources()), gpus({"0", "1"}));
}

TEST(MasterApplication, ANewMasterTakesUpTheExecutorsThatRun) {
  Desk desk;
  const ResourceMap gpus{{"gpu", {"gpu", {"0", "1"}}}};
  desk.worker(1, 4, 1024, {}, 1, gpus);
  desk.submit(kDriver, 1, {"sluice.executor.memory=512m", "sluice.executor.cores=3", "sluice.executor.resource.gpu.amount=1"});
  auto order = desk.to({Role::kWorker, 1}, proto::Message::kStartExecutor).at(0).start_executor();
  desk.report(1, order.executor());
  auto again = [&](std::uint64_t worker, std::vector<std::pair<std::uint64_t, proto::StartExecutor>> held) {
    desk.machine->onSession({Role::kWorker, worker}, true, desk.now);
    desk.tell({Role::kWorker, worker}, Fleet::messageOf(&proto::Message::mutable_enrol, [&](proto::Register& enrol) {
                enrol.set_worker(worker), enrol.set_start(1), enrol.set_host("host"), enrol.set_slots(4), enrol.set_memory_bytes(1024 << 20);
                writeResources(gpus, *enrol.mutable_resources());
                for (const auto& [id, order] : held) {
                  enrol.add_executors(id);
                  auto& one = *enrol.add_held();
                  one.set_app(order.app()), one.set_slots(order.slots()), one.set_memory_bytes(order.memory_bytes());
                  *one.mutable_resources() = order.resources();
                }
              }));
  };
  // Another master, on that journal. The driver comes first, then the worker, then the executor.
  desk.restart();
  desk.machine->onSession(kDriver, true, desk.now);
  desk.submit(kDriver, 1);
  proto::StartExecutor over = order;
  over.set_app(99);
  again(1, {{order.executor(), order}, {77, over}});
  EXPECT_EQ(desk.ordered(1), Ordered{}) << "its executor runs";
  auto stopped = desk.to({Role::kWorker, 1}, proto::Message::kStopExecutor);
  ASSERT_EQ(stopped.size(), 1u) << "that of an application that is over does not";
  EXPECT_EQ(stopped[0].stop_executor().executor(), 77u);
  desk.report(1, order.executor());
  ASSERT_FALSE(desk.to(kDriver, proto::Message::kMembers).empty());
  EXPECT_EQ(desk.to(kDriver, proto::Message::kMembers).back().members().members_size(), 1);
  // What it has is not given to others: one slot, half the memory and one address are left.
  desk.submit({Role::kDriver, 2}, 2, {"sluice.executor.memory=512m", "sluice.executor.resource.gpu.amount=1"});
  EXPECT_EQ(desk.ordered(2), (Ordered{{1, {1}}}));
  EXPECT_EQ(readResources(desk.to({Role::kWorker, 1}, proto::Message::kStartExecutor).at(0).start_executor().resources()).at("gpu").addresses, std::vector<std::string>{"1"});
}

// Until those of the last master have had their time to come, nobody is started in their place.
TEST(MasterApplication, ANewMasterOrdersNobodyForAWhile) {
  Desk desk;
  desk.worker(1, 4);
  desk.submit(kDriver, 1, {"sluice.cores.max=4"});
  auto order = desk.to({Role::kWorker, 1}, proto::Message::kStartExecutor).at(0).start_executor();
  desk.report(1, order.executor());
  desk.restart();
  desk.machine->onSession(kDriver, true, desk.now);
  desk.submit(kDriver, 1);
  desk.worker(2, 4);
  desk.advance(9'999);
  EXPECT_EQ(desk.ordered(1), Ordered{});
  desk.advance(1);
  EXPECT_EQ(desk.ordered(1), (Ordered{{2, {4}}})) << "its worker is gone as well";
}

// An application that goes on with others, and one that its worker has and that never says a word.
TEST(MasterApplication, ANewMasterGivesUpWhoStaysSilentThoughOthersCame) {
  Desk desk;
  desk.worker(1, 2), desk.worker(2, 2);
  desk.submit(kDriver, 1);
  auto first = desk.to({Role::kWorker, 1}, proto::Message::kStartExecutor).at(0).start_executor();
  auto second = desk.to({Role::kWorker, 2}, proto::Message::kStartExecutor).at(0).start_executor();
  desk.report(1, first.executor()), desk.report(1, second.executor());
  desk.restart();
  desk.machine->onSession(kDriver, true, desk.now);
  desk.submit(kDriver, 1);
  desk.report(1, first.executor());  // ready with this one
  desk.machine->onSession({Role::kWorker, 2}, true, desk.now);
  desk.tell({Role::kWorker, 2}, Fleet::messageOf(&proto::Message::mutable_enrol, [&](proto::Register& enrol) {
              enrol.set_worker(2), enrol.set_start(1), enrol.set_host("host2"), enrol.set_slots(2), enrol.set_memory_bytes(1024 << 20);
              enrol.add_executors(second.executor());
              auto& held = *enrol.add_held();
              held.set_app(1), held.set_slots(second.slots()), held.set_memory_bytes(second.memory_bytes());
            }));
  desk.advance(9'999);
  EXPECT_TRUE(desk.to({Role::kWorker, 2}, proto::Message::kStopExecutor).empty());
  desk.advance(1);
  ASSERT_EQ(desk.to({Role::kWorker, 2}, proto::Message::kStopExecutor).size(), 1u);
  EXPECT_EQ(desk.ordered(1), (Ordered{{2, {2}}})) << "another in its place";
}

TEST(MasterApplication, ADriverThatDoesNotComeBackEndsItsApplication) {
  Desk desk;
  desk.worker(1, 4);
  desk.submit(kDriver, 1);
  std::string app = "app-20231114221320-0001";
  desk.restart();
  desk.advance(59'999);
  EXPECT_EQ(desk.status(app).state(), "SUBMITTED");
  desk.advance(1);
  EXPECT_EQ(desk.status(app).state(), "FAILED");
}

// The other way round: the executor comes before its worker.
TEST(MasterApplication, WhatAnExecutorHasIsNotGivenAwayBeforeItsWorkerComes) {
  Desk desk;
  const ResourceMap gpus{{"gpu", {"gpu", {"0", "1"}}}};
  desk.worker(1, 4, 1024, {}, 1, gpus);
  desk.submit(kDriver, 1, {"sluice.executor.memory=512m", "sluice.executor.cores=2", "sluice.executor.resource.gpu.amount=1"});
  auto order = desk.to({Role::kWorker, 1}, proto::Message::kStartExecutor).at(0).start_executor();
  desk.report(1, order.executor());
  desk.restart();
  desk.machine->addExecutor(AppId{1}, ExecutorId{order.executor()});  // it has a receiver
  desk.machine->onSession({Role::kExecutor, order.executor()}, true, desk.now);
  desk.tell({Role::kExecutor, order.executor()}, Fleet::messageOf(&proto::Message::mutable_report, [&](proto::Report& report) {
              report.set_app(1), report.set_executor(order.executor()), report.set_slots(2), report.set_host("host1");
              *report.mutable_resources() = order.resources();
            }));
  desk.machine->onSession({Role::kWorker, 1}, true, desk.now);
  desk.tell({Role::kWorker, 1}, Fleet::messageOf(&proto::Message::mutable_enrol, [&](proto::Register& enrol) {
              enrol.set_worker(1), enrol.set_start(1), enrol.set_host("host1"), enrol.set_slots(4), enrol.set_memory_bytes(1024 << 20);
              writeResources(gpus, *enrol.mutable_resources());
              enrol.add_executors(order.executor());
              auto& held = *enrol.add_held();
              held.set_app(1), held.set_slots(2), held.set_memory_bytes(512 << 20), *held.mutable_resources() = order.resources();
            }));
  desk.submit({Role::kDriver, 2}, 2, {"sluice.executor.memory=512m", "sluice.executor.resource.gpu.amount=1"});
  EXPECT_EQ(desk.ordered(2), (Ordered{{1, {2}}}));
  EXPECT_EQ(readResources(desk.to({Role::kWorker, 1}, proto::Message::kStartExecutor).at(0).start_executor().resources()).at("gpu").addresses, std::vector<std::string>{"1"});
}

TEST(MasterApplication, ALateWorkerJoins) {
  Desk desk;
  desk.submit(kDriver, 1);
  desk.worker(1, 2);
  EXPECT_EQ(desk.ordered(1), (Ordered{{1, {2}}}));
}

TEST(MasterApplication, ARepeatedSubmitAttaches) {
  Desk desk;
  auto first = desk.submit(kDriver, 5), again = desk.submit(kDriver, 5);
  EXPECT_EQ(first.app(), again.app());
}

TEST(MasterApplication, ALostExecutorIsReplaced) {
  Desk desk;
  desk.worker(1, 2);
  desk.submit(kDriver, 1);
  std::uint64_t executor = desk.to({Role::kWorker, 1}, proto::Message::kStartExecutor)[0].start_executor().executor();
  desk.report(1, executor);
  EXPECT_EQ(desk.to(kDriver, proto::Message::kMembers).back().members().members_size(), 1);
  desk.tell({Role::kWorker, 1}, Fleet::messageOf(&proto::Message::mutable_executor_down, [&](proto::ExecutorDown& down) {
              down.set_executor(executor), down.set_how("killed by signal 9");
            }));
  auto orders = desk.to({Role::kWorker, 1}, proto::Message::kStartExecutor);
  ASSERT_EQ(orders.size(), 2u);
  EXPECT_NE(orders[1].start_executor().executor(), executor);
  EXPECT_EQ(desk.to(kDriver, proto::Message::kMembers).back().members().members_size(), 0);
}

TEST(MasterApplication, ExecutorsThatCannotStartEndIt) {
  Desk desk;
  desk.worker(1, 2);
  desk.submit(kDriver, 1);
  for (std::size_t i = 0; i < 10; ++i) {
    auto orders = desk.to({Role::kWorker, 1}, proto::Message::kStartExecutor);
    ASSERT_EQ(orders.size(), i + 1);
    desk.tell({Role::kWorker, 1}, Fleet::messageOf(&proto::Message::mutable_executor_down, [&](proto::ExecutorDown& down) {
                down.set_executor(orders[i].start_executor().executor()), down.set_how("cannot load libapp.so");
              }));
  }
  auto ended = desk.to(kDriver, proto::Message::kAppEnded);
  ASSERT_EQ(ended.size(), 1u);
  EXPECT_EQ(ended[0].app_ended().why(), "executors cannot start: cannot load libapp.so");
}

TEST(MasterApplication, AWorkerThatIsSilentIsLost) {
  Desk desk;
  desk.worker(1, 2), desk.worker(2, 2);
  desk.submit(kDriver, 1);
  for (int i = 0; i < 8; ++i) {
    desk.advance(10'000);
    desk.tell({Role::kWorker, 2}, Fleet::messageOf(&proto::Message::mutable_heartbeat, [](proto::Heartbeat& beat) { beat.set_worker(2); }));
  }
  EXPECT_NE(desk.machine->describe().find("worker 1 host1 LOST"), std::string::npos);
  EXPECT_NE(desk.machine->describe().find("worker 2 host2 ALIVE"), std::string::npos);
  desk.tell({Role::kWorker, 1}, Fleet::messageOf(&proto::Message::mutable_heartbeat, [](proto::Heartbeat& beat) { beat.set_worker(1); }));
  EXPECT_EQ(desk.to({Role::kWorker, 1}, proto::Message::kRefused).size(), 1u);
}

TEST(MasterApplication, AWorkerThatIsSilentIsLostThoughTheClockWentBack) {
  Desk desk;
  desk.worker(1, 2), desk.worker(2, 2);
  desk.submit(kDriver, 1);
  auto beat = [&] { desk.tell({Role::kWorker, 2}, Fleet::messageOf(&proto::Message::mutable_heartbeat, [](proto::Heartbeat& beat) { beat.set_worker(2); })); };
  desk.advance(10'000), beat();
  desk.now = desk.now + Milliseconds(-3'600'000);
  beat();
  for (int i = 0; i < 4; ++i) desk.advance(10'000), beat();
  EXPECT_NE(desk.machine->describe().find("worker 1 host1 ALIVE"), std::string::npos);
  for (int i = 0; i < 3; ++i) desk.advance(10'000), beat();
  EXPECT_NE(desk.machine->describe().find("worker 1 host1 LOST"), std::string::npos);
  EXPECT_NE(desk.machine->describe().find("worker 2 host2 ALIVE"), std::string::npos);
}

TEST(MasterApplication, AWorkerThatRegistersAgainKeepsItsExecutors) {
  Desk desk;
  desk.worker(1, 2);
  desk.submit(kDriver, 1);
  std::uint64_t executor = desk.to({Role::kWorker, 1}, proto::Message::kStartExecutor)[0].start_executor().executor();
  desk.report(1, executor);
  desk.worker(1, 2, 1024, {executor});
  EXPECT_EQ(desk.ordered(1)[1].size(), 1u);
  desk.worker(1, 2, 1024, {}, 2);  // the daemon was started again, without them
  EXPECT_EQ(desk.ordered(1)[1].size(), 2u);
}

TEST(MasterApplication, ClientModeEndsWithItsDriver) {
  Desk desk;
  desk.worker(1, 2);
  desk.submit(kDriver, 1, {"sluice.driver.timeout=5s"});
  desk.machine->onSession(kDriver, false, desk.now);
  desk.advance(4000);
  EXPECT_EQ(desk.status("app-20231114221320-0001").state(), "SUBMITTED");
  desk.machine->onSession(kDriver, true, desk.now);
  desk.advance(10'000);
  desk.machine->onSession(kDriver, false, desk.now);
  desk.advance(5000);
  EXPECT_EQ(desk.status("app-20231114221320-0001").state(), "FAILED");
}

TEST(MasterApplication, ClusterModeStartsTheDriverOnAWorker) {
  Desk desk;
  Peer client{Role::kClient, 3};
  auto submitted = desk.submit(client, 1, {}, true);
  EXPECT_EQ(submitted.driver_id(), "driver-20231114221320-0001");
  desk.worker(1, 2);  // it waited for one
  auto started = desk.to({Role::kWorker, 1}, proto::Message::kStartDriver);
  ASSERT_EQ(started.size(), 1u);
  EXPECT_EQ(started[0].start_driver().submit().driver(), submitted.driver());
  EXPECT_EQ(started[0].start_driver().attempt(), 1u);
  EXPECT_EQ(desk.ordered(1), Ordered{});
  auto attached = desk.submit({Role::kDriver, 7}, 99, {"sluice.cores.max=1"}, false, false, submitted.driver());
  EXPECT_EQ(attached.app(), submitted.app());
  EXPECT_EQ(desk.ordered(1), (Ordered{{1, {1}}}));
  desk.driverDown(1, submitted.driver(), 0);
  EXPECT_EQ(desk.status(submitted.driver_id()).state(), "FINISHED");
}

TEST(MasterApplication, ASupervisedDriverIsStartedAgain) {
  Desk desk;
  desk.worker(1, 2);
  auto submitted = desk.submit({Role::kClient, 3}, 1, {}, true, true);
  desk.driverDown(1, submitted.driver(), 1);
  desk.advance(999);
  EXPECT_EQ(desk.to({Role::kWorker, 1}, proto::Message::kStartDriver).size(), 1u);
  desk.advance(1);
  auto started = desk.to({Role::kWorker, 1}, proto::Message::kStartDriver);
  ASSERT_EQ(started.size(), 2u);
  EXPECT_EQ(started[1].start_driver().attempt(), 2u);
  EXPECT_EQ(desk.status(submitted.driver_id()).state(), "SUBMITTED");
}

TEST(MasterApplication, AnUnsupervisedDriverEndsIt) {
  Desk desk;
  desk.worker(1, 2);
  auto submitted = desk.submit({Role::kClient, 3}, 1, {}, true, false);
  desk.driverDown(1, submitted.driver(), 1);
  EXPECT_EQ(desk.status(submitted.driver_id()).state(), "FAILED");
}

TEST(MasterApplication, KillEndsItAndItsDriver) {
  Desk desk;
  desk.worker(1, 2);
  auto submitted = desk.submit({Role::kClient, 3}, 1, {}, true, true);
  desk.tell({Role::kClient, 9}, Fleet::messageOf(&proto::Message::mutable_kill, [&](proto::Kill& kill) { kill.set_id(submitted.driver_id()); }));
  EXPECT_EQ(desk.to({Role::kClient, 9}, proto::Message::kStatusReply).back().status_reply().state(), "KILLED");
  EXPECT_EQ(desk.to({Role::kWorker, 1}, proto::Message::kStopDriver).size(), 1u);
  desk.driverDown(1, submitted.driver(), 143);
  desk.advance(10'000);
  EXPECT_EQ(desk.to({Role::kWorker, 1}, proto::Message::kStartDriver).size(), 1u);
  EXPECT_FALSE(desk.status("app-1").found());
}

TEST(MasterApplication, RepliesWaitForTheJournal) {
  Desk desk;
  desk.machine->onMessage(kDriver, Fleet::messageOf(&proto::Message::mutable_submit, [](proto::Submit& submit) { submit.set_nonce(1); }), desk.now);
  EXPECT_TRUE(desk.to(kDriver, proto::Message::kSubmitted).empty());
  desk.sync();
  EXPECT_EQ(desk.to(kDriver, proto::Message::kSubmitted).size(), 1u);
}

TEST(MasterApplication, ARestartForgetsWhatIsOverAndKeepsWhatIsNot) {
  Desk desk;
  desk.worker(1, 2);
  desk.submit(kDriver, 1);
  desk.submit({Role::kDriver, 2}, 2);
  desk.tell(kDriver, Fleet::messageOf(&proto::Message::mutable_end_app, [](proto::EndApp& end) { end.set_app(1); }));
  Desk other;
  other.machine = std::make_unique<Machine>(other.options, other);
  other.journal = desk.journal;
  for (std::size_t i = 0; i < desk.journal.size(); ++i) ASSERT_TRUE(other.machine->replay(i + 1, desk.journal[i]).ok());
  EXPECT_TRUE(other.machine->journalSnapshot().SerializeAsString() == desk.machine->journalSnapshot().SerializeAsString());
  other.machine->start(other.now);
  other.sync();
  EXPECT_EQ(other.status("app-20231114221320-0001").state(), "FINISHED");
  EXPECT_EQ(other.status("app-20231114221320-0002").state(), "SUBMITTED");
  other.worker(1, 2);
  auto again = other.submit({Role::kDriver, 2}, 2);  // the driver has a new session
  EXPECT_EQ(again.app(), 2u);
  other.advance(10'000);
  EXPECT_EQ(other.ordered(2), (Ordered{{1, {2}}}));
}

TEST(MasterApplication, ANewerJournalIsRefused) {
  Desk desk;
  EXPECT_FALSE(desk.machine->replay(99, proto::JournalRecord()).ok());
  proto::JournalSnapshot newer;
  newer.set_version(1'000);
  EXPECT_EQ(desk.machine->restore(99, newer).message(), "the journal was written by a newer version; start the master of that version");
}

TEST(MasterApplication, WhoWaitsForAnEndIsToldOnce) {
  Desk desk;
  desk.worker(1, 2);
  auto submitted = desk.submit({Role::kClient, 9}, 1, {}, true);
  Peer first{Role::kClient, 10}, second{Role::kClient, 11}, gone{Role::kClient, 12}, late{Role::kClient, 13};
  auto answers = [&](Peer client) { return desk.to(client, proto::Message::kStatusReply); };
  desk.waitForEnd(first, submitted.driver_id());
  desk.waitForEnd(first, submitted.driver_id());  // asked again
  desk.waitForEnd(second, submitted.app_id());
  desk.waitForEnd(gone, submitted.driver_id());
  desk.machine->onSession(gone, false, desk.now);
  EXPECT_TRUE(answers(first).empty());
  desk.driverDown(1, submitted.driver(), 0);
  ASSERT_EQ(answers(first).size(), 1u);
  EXPECT_EQ(answers(first)[0].status_reply().state(), "FINISHED");
  EXPECT_EQ(answers(first)[0].status_reply().id(), submitted.driver_id());
  ASSERT_EQ(answers(second).size(), 1u);
  EXPECT_EQ(answers(second)[0].status_reply().id(), submitted.app_id());
  EXPECT_TRUE(answers(gone).empty());
  desk.waitForEnd(late, submitted.driver_id());
  ASSERT_EQ(answers(late).size(), 1u) << "it is over already";
  desk.waitForEnd(late, "driver-7");
  EXPECT_FALSE(answers(late).back().status_reply().found());
}

TEST(MasterApplication, WhoWaitsForAnEndIsToldOfFailuresAndKills) {
  Desk desk;
  desk.worker(1, 2);
  Peer client{Role::kClient, 10};
  auto failing = desk.submit({Role::kClient, 9}, 1, {}, true);
  desk.waitForEnd(client, failing.driver_id());
  desk.driverDown(1, failing.driver(), 3);
  EXPECT_EQ(desk.to(client, proto::Message::kStatusReply).back().status_reply().state(), "FAILED");
  auto killed = desk.submit({Role::kClient, 9}, 2, {}, true);
  desk.waitForEnd(client, killed.driver_id());
  desk.tell({Role::kClient, 9}, Fleet::messageOf(&proto::Message::mutable_kill, [&](proto::Kill& kill) { kill.set_id(killed.driver_id()); }));
  EXPECT_EQ(desk.to(client, proto::Message::kStatusReply).back().status_reply().state(), "KILLED");
}

// ---- How many executors ----

proto::Scaled scale(Desk& desk, std::uint64_t request, const std::function<void(proto::ScaleExecutors&)>& fill) {
  desk.tell(kDriver, Fleet::messageOf(&proto::Message::mutable_scale_executors, [&](proto::ScaleExecutors& scale) {
              scale.set_app(1), scale.set_request(request);
              fill(scale);
            }));
  return desk.to(kDriver, proto::Message::kScaled).back().scaled();
}

std::vector<std::uint64_t> executorsOn(const Desk& desk, std::uint64_t worker) {
  std::vector<std::uint64_t> ids;
  for (const auto& order : desk.to({Role::kWorker, worker}, proto::Message::kStartExecutor)) ids.push_back(order.start_executor().executor());
  return ids;
}

TEST(MasterApplication, EndsExecutorsForGood) {
  Desk desk;
  desk.worker(1, 2), desk.worker(2, 2), desk.worker(3, 2);
  desk.submit(kDriver, 1);
  std::uint64_t first = executorsOn(desk, 1)[0];
  desk.report(1, first);
  auto scaled = scale(desk, 1, [&](auto& s) { s.add_end(first), s.add_end(12345), s.add_end(first); });
  EXPECT_TRUE(scaled.done());
  ASSERT_EQ(scaled.ended_size(), 1);
  EXPECT_EQ(scaled.ended(0), first);
  EXPECT_EQ(scaled.total(), 2u);
  ASSERT_EQ(desk.to({Role::kWorker, 1}, proto::Message::kStopExecutor).size(), 1u);
  EXPECT_EQ(executorsOn(desk, 1).size(), 1u) << "nobody in its place";
  desk.worker(4, 2);
  EXPECT_TRUE(executorsOn(desk, 4).empty()) << "nor later";
  EXPECT_FALSE(scale(desk, 2, [&](auto& s) { s.add_end(first); }).done()) << "it has gone";
  // One that is lost, not ended, is replaced.
  desk.tell({Role::kWorker, 2}, Fleet::messageOf(&proto::Message::mutable_executor_down, [&](proto::ExecutorDown& down) {
              down.set_executor(executorsOn(desk, 2)[0]), down.set_how("killed by signal 9");
            }));
  std::size_t all = 0;
  for (std::uint64_t worker : {1, 2, 3, 4}) all += executorsOn(desk, worker).size();
  EXPECT_EQ(all, 4u);
}

TEST(MasterApplication, StartsAsManyExecutorsAsItIsAskedFor) {
  Desk desk;
  desk.worker(1, 4), desk.worker(2, 4);
  desk.submit(kDriver, 1, {"sluice.executor.cores=1", "sluice.executor.memory=100m"});
  EXPECT_EQ(desk.ordered(1), (Ordered{{1, {1}}, {2, {1}}})) << "one on each worker";
  EXPECT_TRUE(scale(desk, 1, [](auto& s) { s.set_more(3); }).done());
  EXPECT_EQ(desk.ordered(1), (Ordered{{1, {1, 1, 1}}, {2, {1, 1}}}));
  EXPECT_EQ(scale(desk, 1, [](auto& s) { s.set_more(3); }).total(), 5u) << "asked again, it is the same";
  EXPECT_EQ(desk.ordered(1), (Ordered{{1, {1, 1, 1}}, {2, {1, 1}}}));
  EXPECT_EQ(scale(desk, 2, [](auto& s) { s.set_total(4); }).total(), 4u);
  EXPECT_TRUE(desk.to({Role::kWorker, 1}, proto::Message::kStopExecutor).empty()) << "those that are there stay";
  EXPECT_TRUE(scale(desk, 3, [](auto& s) { s.set_total(100); }).done());
  EXPECT_EQ(desk.ordered(1), (Ordered{{1, {1, 1, 1, 1}}, {2, {1, 1, 1, 1}}})) << "as many as there is room for";
  desk.worker(3, 2);
  EXPECT_EQ(desk.ordered(1)[3], (std::vector<std::uint32_t>{1, 1})) << "the rest when there is";
}

TEST(MasterApplication, EndingExecutorsDoesNotRaiseTheirNumber) {
  Desk desk;
  desk.worker(1, 2), desk.worker(2, 2), desk.worker(3, 2);
  desk.submit(kDriver, 1);
  EXPECT_EQ(scale(desk, 1, [](auto& s) { s.set_total(1); }).total(), 1u);
  EXPECT_EQ(scale(desk, 2, [&](auto& s) { s.add_end(executorsOn(desk, 1)[0]); }).total(), 1u) << "two are left, which are more";
  EXPECT_EQ(scale(desk, 3, [](auto& s) { s.set_total(5); }).total(), 5u);  // three of them are there
  EXPECT_EQ(scale(desk, 4, [&](auto& s) { s.add_end(executorsOn(desk, 2)[0]); }).total(), 4u);
}

TEST(MasterApplication, AKillThatEndsNobodySetsNoNumber) {
  Desk desk;
  desk.worker(1, 2);
  desk.submit(kDriver, 1);
  auto scaled = scale(desk, 1, [](auto& s) { s.add_end(12345); });
  EXPECT_FALSE(scaled.done());
  EXPECT_FALSE(scaled.has_total());
  desk.worker(2, 2);
  EXPECT_EQ(executorsOn(desk, 2).size(), 1u) << "as many as there is room for";
}

// A request was carried out, and its session broke before the answer came.
TEST(MasterApplication, TheNumberThatADriverKnewDoesNotUndoALaterOne) {
  Desk desk;
  desk.worker(1, 4), desk.worker(2, 4);
  desk.submit(kDriver, 1, {"sluice.executor.cores=1", "sluice.executor.memory=100m"});
  EXPECT_EQ(scale(desk, 1, [](auto& s) { s.set_total(3); }).total(), 3u);
  EXPECT_EQ(scale(desk, 2, [](auto& s) { s.set_more(2); }).total(), 5u);
  desk.submit(kDriver, 1, {}, false, false, 0, 3);
  EXPECT_EQ(scale(desk, 2, [](auto& s) { s.set_more(2); }).total(), 5u);
  EXPECT_EQ(scale(desk, 3, [](auto& s) { s.set_more(0); }).total(), 5u);
}

TEST(MasterApplication, ANewMasterKnowsTheNumberBeforeItStartsAny) {
  Desk desk;
  desk.submit(kDriver, 1);
  Desk other;
  other.machine = std::make_unique<Machine>(other.options, other);
  other.journal = desk.journal;
  for (std::size_t i = 0; i < desk.journal.size(); ++i) ASSERT_TRUE(other.machine->replay(i + 1, desk.journal[i]).ok());
  other.machine->start(other.now);
  other.sync();
  other.worker(1, 2), other.worker(2, 2), other.worker(3, 2);
  other.submit(kDriver, 1, {}, false, false, 0, 1);
  other.advance(10'000);
  EXPECT_EQ(executorsOn(other, 1).size() + executorsOn(other, 2).size() + executorsOn(other, 3).size(), 1u);
}

TEST(MasterApplication, ADriverThatIsStartedAgainCountsApartAndWantsAllThereIs) {
  Desk desk;
  desk.worker(1, 2), desk.worker(2, 2);
  std::uint64_t driver = desk.submit({Role::kClient, 3}, 1, {}, true, true).driver();
  EXPECT_EQ(desk.submit(kDriver, 9, {}, false, false, driver).attempt(), 1u);
  scale(desk, 1, [&](auto& s) { s.add_end(executorsOn(desk, 1)[0]); });
  desk.driverDown(1, driver, 1);
  desk.advance(1000);
  EXPECT_EQ(executorsOn(desk, 1).size(), 1u);
  EXPECT_EQ(desk.submit({Role::kDriver, 2}, 10, {}, false, false, driver).attempt(), 2u);
  EXPECT_EQ(executorsOn(desk, 1).size(), 2u);
}

// ---- Who listens ----

TEST(MasterApplication, ListeningEndsWithTheDriverHoweverThatIsHeard) {
  Desk desk;
  desk.worker(1, 2);
  std::uint64_t driver = desk.submit({Role::kClient, 3}, 1, {}, true, true).driver();
  desk.submit(kDriver, 9, {}, false, false, driver);
  std::uint64_t executor = executorsOn(desk, 1)[0];
  desk.report(1, executor);
  desk.listen(kDriver, true);
  EXPECT_TRUE(desk.tellsOfTasks(executor));
  desk.driverDown(1, driver, 1);  // before its session ends
  EXPECT_FALSE(desk.tellsOfTasks(executor));
  desk.machine->onSession(kDriver, false, desk.now);
  desk.advance(1000);
  Peer next{Role::kDriver, 2};
  desk.submit(next, 10, {}, false, false, driver);
  desk.listen(next, true);
  EXPECT_TRUE(desk.tellsOfTasks(executor));
  auto told = desk.to(next, proto::Message::kAppEvents);
  ASSERT_EQ(told.size(), 1u);
  EXPECT_TRUE(told[0].app_events().first());
  ASSERT_EQ(told[0].app_events().events_size(), 1);
  EXPECT_EQ(told[0].app_events().events(0).executor().executor(), executor);
}

TEST(MasterApplication, WhoBeginsToListenHearsWhatThereIsEachTime) {
  Desk desk;
  desk.submit(kDriver, 1);
  desk.listen(kDriver, true);
  auto told = desk.to(kDriver, proto::Message::kAppEvents);
  ASSERT_EQ(told.size(), 1u);
  EXPECT_TRUE(told[0].app_events().first()) << "that there is nobody";
  EXPECT_EQ(told[0].app_events().events_size(), 0);
  desk.report(1, 5);
  desk.listen(kDriver, true);
  told = desk.to(kDriver, proto::Message::kAppEvents);
  ASSERT_EQ(told.size(), 3u);
  EXPECT_FALSE(told[1].app_events().first());
  EXPECT_TRUE(told[2].app_events().first());
  EXPECT_EQ(told[2].app_events().events_size(), 1);
}

TEST(MasterApplication, AnExecutorWithoutASessionHearsLaterThatNobodyListens) {
  Desk desk;
  desk.submit(kDriver, 1);
  desk.report(1, 5);
  desk.listen(kDriver, true);
  desk.machine->onSession({Role::kExecutor, 5}, false, desk.now);
  desk.listen(kDriver, false);
  EXPECT_TRUE(desk.tellsOfTasks(5)) << "it could not be told";
  desk.report(1, 5);
  EXPECT_FALSE(desk.tellsOfTasks(5));
}

TEST(MasterApplication, WithoutWorkersNobodyStartsExecutors) {
  Desk desk;
  desk.submit(kDriver, 1);
  EXPECT_FALSE(scale(desk, 1, [](auto& s) { s.set_more(1); }).done());
  desk.worker(1, 2);
  EXPECT_EQ(desk.ordered(1), (Ordered{{1, {2}}})) << "it is remembered";
  desk.worker(2, 2);
  EXPECT_EQ(desk.ordered(1), (Ordered{{1, {2}}}));
}

}  // namespace
}  // namespace sluice::master
