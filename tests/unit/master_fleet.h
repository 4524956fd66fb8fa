// The master's machine with a recording shell and executors that follow the protocol without running anything: what a task gives is a
// hash of what it read, so that a wrong, missing or doubled input shows in the results.
#pragma once
#include <gtest/gtest.h>

#include <cstdint>
#include <cstdlib>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "common/plan_view.h"
#include "master/machine.h"

namespace sluice::master {

inline std::uint64_t mixed(std::uint64_t a, std::uint64_t b) {
  std::uint64_t x = (a ^ (b + 0x9e3779b97f4a7c15ull + (a << 6) + (a >> 2))) * 0xff51afd7ed558ccdull;
  return x ^ (x >> 29);
}

// How many seeds a random test goes through; SLUICE_SEEDS says more.
inline std::uint64_t seeds(std::uint64_t usual) {
  const char* more = std::getenv("SLUICE_SEEDS");
  return more ? std::strtoull(more, nullptr, 10) : usual;
}

class Fleet;

class FakeExecutor {
 public:
  FakeExecutor(Fleet& fleet, std::uint64_t id) : fleet_(fleet), id_(id) {}
  void on(const EnvelopePtr& envelope);
  void runReady();
  void runReady(std::mt19937_64& random);  // one of them
  void take(ExchangeId exchange, std::int64_t when, std::uint32_t map, std::uint32_t reducer, std::uint64_t value) {
    inbound_[{exchange, when, map, reducer}] = value;
  }

  std::map<ValueId, std::uint64_t> kept;
  std::map<std::uint32_t, std::uint64_t> receivers;  // node -> incarnation
  std::vector<proto::StartReceiver> started;
  std::vector<proto::Release> releases;
  std::vector<proto::Publish> published;
  std::vector<proto::Launch> launches;
  void tellAgain();
  std::size_t pending() const { return tasks_.size(); }
  std::string stuck() const;
  void seal(std::uint32_t node, std::int64_t when, std::vector<proto::Input> blocks = {}, bool stopped = false);

 private:
  struct Task {
    proto::InstanceId instance;
    std::uint32_t k;
    std::shared_ptr<PlanView> view;
    std::uint64_t epoch;
    std::uint32_t stage, partition, attempt;
    std::int64_t when;
  };
  using Segment = std::tuple<ExchangeId, std::int64_t, std::uint32_t, std::uint32_t>;
  void release(const proto::Mark& mark);
  bool ready(const Task& task, const TaskReads& reads);
  void run(const Task& task, const TaskReads& reads);
  void push(const Task& task, ExchangeId exchange, std::uint32_t reducers);
  std::set<std::uint64_t> destinations(const proto::Epoch& epoch, ExchangeId e, std::int64_t when, std::uint32_t reducer, std::uint32_t n,
                                       bool broadcast);

  Fleet& fleet_;
  std::uint64_t id_;
  std::map<std::uint64_t, std::shared_ptr<PlanView>> plans_;
  std::map<std::uint64_t, proto::Epoch> epochs_;
  Facts facts_;
  std::vector<Task> tasks_;
  std::set<std::tuple<std::int64_t, std::uint32_t, std::uint32_t, std::uint32_t>> launched_;  // when, stream, run, k
  std::map<ValueId, std::vector<proto::Input>> sources_;
  std::map<ValueId, std::uint64_t> routes_;
  std::map<std::tuple<std::uint32_t, std::int64_t, std::uint32_t>, std::set<std::uint64_t>> moved_;
  std::map<Segment, std::uint64_t> inbound_;
  struct Output {
    std::uint64_t value, epoch;
    std::uint32_t reducers;
    bool broadcast;
  };
  std::map<std::tuple<ExchangeId, std::int64_t, std::uint32_t>, Output> outbound_;
  std::map<std::uint32_t, std::uint64_t> sequence_;
  std::deque<EnvelopePtr> told_;
  std::map<ExchangeId, std::uint32_t> parents_;  // whose rows the segments are
};

class Fleet : public Effects {
 public:
  explicit Fleet(int executors = 3, std::uint32_t slots = 2, std::vector<std::string> conf = {}) : slots_(slots), conf_(std::move(conf)) {
    machine = std::make_unique<Machine>(options, *this);
    machine->start(now);
    tell({Role::kDriver, 1}, messageOf(&proto::Message::mutable_submit, [&](proto::Submit& submit) {
           submit.set_nonce(7), submit.set_name("test");
           submit.add_conf("sluice.master=local[2]"), submit.add_conf("sluice.task.maxFailures=4");
           for (const auto& pair : conf_) submit.add_conf(pair);
         }));
    for (int i = 0; i < executors; ++i) machine->addExecutor(AppId{1}, ExecutorId{std::uint64_t(i) + 1});
    for (int i = 0; i < executors; ++i) join(std::uint64_t(i) + 1);
  }

  // ---- shell ----
  void send(Peer to, EnvelopePtr envelope, std::uint64_t after) override {
    if (after > durable) {
      held.emplace_back(after, to, std::move(envelope));
    } else {
      queue.emplace_back(to, std::move(envelope));
    }
  }
  void arm(TimerName timer, Moment at) override { timers[timer] = at; }
  void disarm(TimerName timer) override { timers.erase(timer); }
  void log(const std::string& line) override { logged.push_back(line); }
  std::uint64_t append(const proto::JournalRecord& record) override {
    journal.push_back(record);
    return journal.size();
  }
  void appendLog(AppId, std::uint64_t position, const std::string& text) override {
    if (printed.size() < position + text.size()) printed.resize(position + text.size());
    printed.replace(position, text.size(), text);
  }
  void sendLog(Peer, AppId, std::uint64_t) override {}
  void writeManifest(AppId app, std::uint32_t stream, const std::string&, const proto::Manifest& m, int) override {
    manifests.push_back(m);
    later.push_back([=, this] { machine->onManifestWritten(app, stream, m.when_ms(), "", now); });
  }
  void readManifest(AppId app, std::uint32_t stream, const std::string&) override {
    later.push_back([=, this] {
      machine->onManifestRead(app, stream, manifest ? &*manifest : nullptr, "", "", now);
    });
  }

  template <class Body, class Fill> static std::shared_ptr<Envelope> messageOf(Body* (proto::Message::*body)(), Fill fill) {
    auto envelope = std::make_shared<Envelope>();
    fill(*(envelope->message.*body)());
    return envelope;
  }
  void tell(Peer from, EnvelopePtr envelope) { machine->onMessage(from, envelope, now); }
  void driver(EnvelopePtr envelope) {
    tell({Role::kDriver, 1}, std::move(envelope));
    settle();
  }

  void join(std::uint64_t id, bool again = false) {
    if (!again) executors[id] = std::make_unique<FakeExecutor>(*this, id);
    machine->onSession({Role::kExecutor, id}, true, now);
    tell({Role::kExecutor, id}, messageOf(&proto::Message::mutable_report, [&](proto::Report& report) {
           report.set_app(1), report.set_executor(id), report.set_host("host" + std::to_string(id)), report.set_slots(slots_);
           for (const auto& [value, hash] : executors[id]->kept) {
             auto* kept = report.add_kept();
             kept->set_node(value.node), kept->set_when_ms(value.whenMs), kept->set_partition(value.partition);
           }
         }));
  }
  void kill(std::uint64_t id) {
    executors.erase(id);
    tell({Role::kWorker, 1}, messageOf(&proto::Message::mutable_executor_down, [&](proto::ExecutorDown& down) {
           down.set_executor(id), down.set_how("killed by signal 9");
         }));
  }
  // The session breaks; the last `lost` messages to the executor are lost, and what it has told is told again in a new session.
  void breakSession(std::uint64_t id, int lost) {
    for (auto it = queue.end(); it != queue.begin() && lost > 0;) {
      --it;
      if (it->first != Peer{Role::kExecutor, id}) continue;
      it = queue.erase(it), --lost;
    }
    // What is under way and not lost arrives before the session ends.
    std::vector<EnvelopePtr> arriving;
    for (const auto& [to, envelope] : queue) {
      if (to == Peer{Role::kExecutor, id}) arriving.push_back(envelope);
    }
    auto toIt = [&](const auto& entry) { return entry.first == Peer{Role::kExecutor, id}; };
    std::erase_if(queue, toIt);
    for (const auto& envelope : arriving) executors[id]->on(envelope);
    std::erase_if(queue, toIt);  // sent after what was lost: lost with it
    machine->onSession({Role::kExecutor, id}, false, now);
    join(id, true);
    executors[id]->tellAgain();
  }

  void sync() {
    durable = journal.size();
    machine->onSynced(durable, now);
    auto waiting = std::exchange(held, {});
    for (auto& [after, to, envelope] : waiting) send(to, envelope, after);
  }
  // Until nothing is under way. `steps`: at most so many deliveries.
  void settle(int steps = 1 << 30) {
    for (;;) {
      if (autoSync && durable < journal.size()) sync();
      if (!later.empty()) {
        auto event = std::move(later.front());
        later.pop_front();
        event();
        continue;
      }
      if (queue.empty() && !paused) runTasks();
      if (queue.empty() && ((autoSync && durable < journal.size()) || !later.empty())) continue;
      if (queue.empty() || steps-- <= 0) break;
      auto [to, envelope] = std::move(queue.front());
      queue.pop_front();
      deliver(to, envelope);
    }
  }
  void runTasks() {
    for (bool more = true; more;) {
      more = false;
      for (auto& [id, executor] : executors) {
        std::size_t before = executor->pending();
        executor->runReady();
        more |= executor->pending() < before;
      }
    }
  }
  // From now on messages to different peers overtake each other, and tasks run one at a time in any order.
  void randomly(std::uint64_t seed) { random.seed(seed), shuffled = true; }
  void settleRandomly(int steps) {
    while (steps-- > 0) {
      if (autoSync && durable < journal.size()) sync();
      std::vector<Peer> peers;
      for (const auto& [to, envelope] : queue) {
        if (std::find(peers.begin(), peers.end(), to) == peers.end()) peers.push_back(to);
      }
      std::size_t choice = random() % (peers.size() + executors.size());
      if (choice >= peers.size()) {
        auto it = executors.begin();
        std::advance(it, choice - peers.size());
        it->second->runReady(random);
        continue;
      }
      auto first = std::find_if(queue.begin(), queue.end(), [&](const auto& entry) { return entry.first == peers[choice]; });
      auto [to, envelope] = *first;
      queue.erase(first);
      deliver(to, envelope);
    }
  }
  void deliver(Peer to, const EnvelopePtr& envelope) {
    if (to.role == Role::kDriver) {
      toDriver.push_back(envelope);
      if (answerDriver) answer(envelope->message);
    } else if (auto it = executors.find(to.id); it != executors.end()) {
      it->second->on(envelope);
    }
  }
  void advance(std::int64_t ms) {
    Moment until = now + Milliseconds(ms);
    for (;;) {
      auto next = timers.end();
      for (auto it = timers.begin(); it != timers.end(); ++it) {
        if (it->second <= until && (next == timers.end() || it->second < next->second)) next = it;
      }
      if (next == timers.end()) break;
      TimerName name = next->first;
      now = std::max(now, next->second);
      timers.erase(next);
      machine->onTimer(name, now);
      settle();
    }
    now = until;
  }
  void answer(const proto::Message& m) {
    if (!m.has_run_output()) return;
    tell({Role::kDriver, 1}, messageOf(&proto::Message::mutable_output_done, [&](proto::OutputDone& done) {
           done.set_app(1), done.set_stream(m.run_output().stream()), done.set_when_ms(m.run_output().when_ms());
           done.set_output(m.run_output().output());
         }));
  }

  void runJob(std::uint64_t number, const proto::Plan& plan, bool withPlan = true, std::vector<std::uint32_t> partitions = {},
              std::uint64_t captures = 1) {
    tell({Role::kDriver, 1}, messageOf(&proto::Message::mutable_run_job, [&](proto::RunJob& run) {
           run.set_app(1), run.set_number(number), run.set_template_hash(plan.template_hash());
           if (withPlan) *run.mutable_plan() = plan;
           run.mutable_captures()->set_version(captures);
           for (std::uint32_t p : partitions) run.add_partitions(p);
         }));
    settle();
  }
  void startStream(const proto::Plan& plan) {
    driver(messageOf(&proto::Message::mutable_start_stream, [&](proto::StartStream& start) {
      start.set_app(1), start.set_stream(1);
      *start.mutable_plan() = plan;
    }));
  }

  std::vector<proto::Message> received(proto::Message::BodyCase body) const {
    std::vector<proto::Message> found;
    for (const auto& envelope : toDriver) {
      if (envelope->message.body_case() == body) found.push_back(envelope->message);
    }
    return found;
  }
  // What job `number` gave: by partition, the hash.
  std::map<std::uint32_t, std::string> results(std::uint64_t number) const {
    std::map<std::uint32_t, std::string> found;
    for (const auto& envelope : toDriver) {
      if (!envelope->message.has_job_done() || envelope->message.job_done().number() != number) continue;
      for (const auto& result : envelope->message.job_done().results()) {
        found[result.partition()] = std::string(envelope->attachments.at(std::size_t(result.attachment())).view());
      }
    }
    return found;
  }
  int count(proto::JournalRecord::WhatCase what) const {
    int found = 0;
    for (const auto& record : journal) found += record.what_case() == what;
    return found;
  }
  // What executors still wait for, for a failed test's message.
  std::string stuck() const {
    std::string text;
    for (const auto& [id, executor] : executors) text += executor->stuck();
    return text;
  }
  // The journal replayed by another machine says the same.
  void expectReplays() {
    Fleet* self = this;
    Machine other(options, *self);
    for (std::size_t i = 0; i < journal.size(); ++i) ASSERT_TRUE(other.replay(i + 1, journal[i]).ok());
    EXPECT_EQ(other.journaledState(), machine->journaledState());
  }

  Options options;
  Moment now = Moment::of(Time(10'000'500));
  std::unique_ptr<Machine> machine;
  std::map<std::uint64_t, std::unique_ptr<FakeExecutor>> executors;
  std::deque<std::pair<Peer, EnvelopePtr>> queue;
  std::vector<std::tuple<std::uint64_t, Peer, EnvelopePtr>> held;
  std::deque<std::function<void()>> later;
  std::map<TimerName, Moment> timers;
  std::vector<std::string> logged;
  std::vector<proto::JournalRecord> journal;
  std::vector<proto::Manifest> manifests;
  std::optional<proto::Manifest> manifest;
  std::vector<EnvelopePtr> toDriver;
  std::string printed;
  std::uint64_t durable = 0;
  bool holdResults = false;  // executors keep them, as large ones
  bool autoSync = true, answerDriver = true, paused = false, shuffled = false;
  std::mt19937_64 random;
  // Lets a task fail: returns the domain and message, or nothing.
  std::function<std::optional<proto::Failed>(std::uint64_t executor, const Stage&, std::int64_t when, std::uint32_t partition, std::uint32_t attempt)>
      fails;

 private:
  std::uint32_t slots_;
  std::vector<std::string> conf_;
};

// ---- the executor ----

inline void FakeExecutor::on(const EnvelopePtr& envelope) {
  const auto& m = envelope->message;
  if (m.has_install()) {
    const auto& install = m.install();
    if (install.has_plan()) plans_[install.template_hash()] = std::make_shared<PlanView>(std::make_shared<proto::Plan>(install.plan()));
    epochs_[install.epoch().epoch()] = install.epoch();
    facts_.defaultPartitions = install.epoch().default_partitions();
  } else if (m.has_launch()) {
    const auto& launch = m.launch();
    if (!launched_.insert({launch.instance().when_ms(), launch.instance().stream(), launch.instance().run(), launch.k()}).second) return;
    launches.push_back(launch);
    ASSERT_TRUE(plans_.contains(launch.template_hash())) << "launched before it was installed";
    ASSERT_TRUE(epochs_.contains(launch.epoch()));
    auto view = plans_[launch.template_hash()];
    for (const auto& stage : view->stages()) {
      if (stage.sink == Stage::Sink::kExchange) parents_[stage.exchange] = stage.root;
    }
    facts_.zeroMs = launch.zero_ms();
    for (const auto& mark : launch.marks()) release(mark);
    for (const auto& count : launch.counts()) facts_.sources[{count.node(), count.when_ms()}] = count.partitions();
    for (const auto& source : launch.sources()) {
      sources_[{source.node(), source.when_ms(), source.partition()}] = {source.inputs().begin(), source.inputs().end()};
    }
    for (const auto& route : launch.kept()) routes_[{route.node(), route.when_ms(), route.partition()}] = route.executor();
    std::set<std::tuple<std::uint32_t, std::int64_t, std::uint32_t>> named;
    for (const auto& route : launch.moved()) {
      auto key = std::tuple(route.node(), route.when_ms(), route.partition());
      if (named.insert(key).second) moved_[key].clear();
      moved_[key].insert(route.executor());
    }
    for (const auto& [key, to] : moved_) {  // kept segments go again to moved reducers
      if (!named.contains(key)) continue;
      for (const auto& [segment, output] : outbound_) {
        auto [exchange, when, map] = segment;
        if (exchange.node != std::get<0>(key) || when != std::get<1>(key) || std::get<2>(key) >= output.reducers) continue;
        for (std::uint64_t executor : to) {
          auto it = fleet_.executors.find(executor);
          if (it != fleet_.executors.end()) it->second->take(exchange, when, map, std::get<2>(key), mixed(output.value, std::get<2>(key)));
        }
      }
    }
    const auto& tasks = launch.tasks();
    for (int i = 0; i < tasks.stage_size(); ++i) {
      tasks_.push_back({launch.instance(), launch.k(), view, launch.epoch(), tasks.stage(i), tasks.partition(i), tasks.attempt(i), tasks.when_ms(i)});
    }
  } else if (m.has_publish()) {
    published.push_back(m.publish());
    fleet_.tell({Role::kExecutor, id_}, Fleet::messageOf(&proto::Message::mutable_published, [&](proto::Published& done) {
                  *done.mutable_instance() = m.publish().instance();
                  done.set_executor(id_);
                  for (const auto& file : m.publish().files()) done.add_outputs(file.output());
                }));
  } else if (m.has_release()) {
    releases.push_back(m.release());
    for (const auto& mark : m.release().marks()) release(mark);
  } else if (m.has_start_receiver()) {
    receivers[m.start_receiver().node()] = m.start_receiver().incarnation();
    sequence_[m.start_receiver().node()] = 0;
    started.push_back(m.start_receiver());
  } else if (m.has_close_receiver()) {
    if (m.close_receiver().drain()) seal(m.close_receiver().node(), 0, {}, true);
    receivers.erase(m.close_receiver().node());
  } else if (m.has_take_checkpoint()) {
    const auto& take = m.take_checkpoint();
    fleet_.tell({Role::kExecutor, id_}, Fleet::messageOf(&proto::Message::mutable_checkpoint_written, [&](proto::CheckpointWritten& written) {
                  written.set_app(1), written.set_stream(take.stream()), written.set_when_ms(take.when_ms()), written.set_executor(id_);
                  for (int i = 0; i < take.nodes_size(); ++i) {
                    auto held = kept.find({take.nodes(i), take.when_ms(), take.partitions(i)});
                    EXPECT_NE(held, kept.end()) << "asked to write a version that it does not hold";
                    auto* file = written.add_files();
                    file->set_node(take.nodes(i)), file->set_partition(take.partitions(i));
                    file->set_name("state-" + std::to_string(held == kept.end() ? 0 : held->second));
                  }
                }));
  } else if (m.has_restore()) {
    const auto& restore = m.restore();
    for (const auto& file : restore.files()) {
      kept[{file.node(), restore.when_ms(), file.partition()}] = std::strtoull(file.name().c_str() + 6, nullptr, 10);
    }
    fleet_.tell({Role::kExecutor, id_}, Fleet::messageOf(&proto::Message::mutable_restored, [&](proto::Restored& restored) {
                  restored.set_app(1), restored.set_when_ms(restore.when_ms()), restored.set_executor(id_);
                  *restored.mutable_files() = restore.files();
                }));
  }
}

// Values of the node, and segments of its rows, below the mark are gone.
inline void FakeExecutor::release(const proto::Mark& mark) {
  std::erase_if(kept, [&](const auto& v) { return v.first.node == mark.node() && v.first.whenMs < mark.below_ms(); });
  auto ofNode = [&](ExchangeId exchange, std::int64_t when) {
    auto parent = parents_.find(exchange);
    return parent != parents_.end() && parent->second == mark.node() && when < mark.below_ms();
  };
  std::erase_if(inbound_, [&](const auto& s) { return ofNode(std::get<0>(s.first), std::get<1>(s.first)); });
  std::erase_if(outbound_, [&](const auto& s) { return ofNode(std::get<0>(s.first), std::get<1>(s.first)); });
}

inline void FakeExecutor::seal(std::uint32_t node, std::int64_t when, std::vector<proto::Input> blocks, bool stopped) {
  fleet_.tell({Role::kExecutor, id_}, Fleet::messageOf(&proto::Message::mutable_stored, [&](proto::Stored& stored) {
                stored.set_app(1), stored.set_node(node), stored.set_incarnation(receivers[node]), stored.set_executor(id_);
                stored.set_first_sequence(sequence_[node]), stored.set_sealed_ms(when), stored.set_stopped(stopped);
                for (auto& block : blocks) {
                  block.mutable_block()->set_source(node), block.mutable_block()->set_incarnation(receivers[node]);
                  block.mutable_block()->set_sequence(sequence_[node]++);
                  if (block.holders_size() == 0) block.add_holders(id_);
                  *stored.add_blocks() = block;
                }
              }));
}

inline bool FakeExecutor::ready(const Task& task, const TaskReads& reads) {
  for (const auto& shuffle : reads.shuffles) {
    std::uint32_t maps = task.view->tasks(*task.view->exchangeStage(shuffle.exchange), shuffle.whenMs, facts_);
    for (std::uint32_t m = 0; m < maps; ++m) {
      if (!inbound_.contains({shuffle.exchange, shuffle.whenMs, m, shuffle.reducer})) return false;
    }
  }
  for (const auto& value : reads.kept) {
    auto route = routes_.find(value);
    if (kept.contains(value)) continue;
    if (route == routes_.end()) return false;  // a task of this executor makes it
    auto holder = fleet_.executors.find(route->second);
    if (holder == fleet_.executors.end() || !holder->second->kept.contains(value)) return false;
  }
  return true;
}

inline std::string FakeExecutor::stuck() const {
  std::string text;
  for (const auto& task : tasks_) {
    const Stage& stage = task.view->stages()[task.stage];
    text += "executor " + std::to_string(id_) + ": stage " + std::to_string(task.stage) + " root " + std::to_string(stage.root) + " when " +
            std::to_string(task.when) + " partition " + std::to_string(task.partition) + " waits for";
    TaskReads reads = task.view->reads(stage, task.when, task.partition, facts_);
    for (const auto& shuffle : reads.shuffles) {
      std::uint32_t maps = task.view->tasks(*task.view->exchangeStage(shuffle.exchange), shuffle.whenMs, facts_);
      for (std::uint32_t m = 0; m < maps; ++m) {
        if (inbound_.contains({shuffle.exchange, shuffle.whenMs, m, shuffle.reducer})) continue;
        text += " segment(" + std::to_string(shuffle.exchange.node) + " map " + std::to_string(m) + " reducer " +
                std::to_string(shuffle.reducer) + ")";
      }
    }
    for (const auto& value : reads.kept) {
      if (kept.contains(value)) continue;
      auto route = routes_.find(value);
      text += " value(" + std::to_string(value.node) + " at " + std::to_string(value.whenMs) + " partition " + std::to_string(value.partition) +
              " from " + (route == routes_.end() ? "here" : std::to_string(route->second)) + ")";
    }
    text += "\n";
  }
  return text;
}

inline std::set<std::uint64_t> FakeExecutor::destinations(const proto::Epoch& epoch, ExchangeId e, std::int64_t when, std::uint32_t reducer,
                                                          std::uint32_t n, bool broadcast) {
  std::set<std::uint64_t> to;
  auto moved = moved_.find({e.node, when, reducer});
  if (moved != moved_.end()) to = moved->second;
  if (broadcast) {
    for (const auto& member : epoch.members()) to.insert(member.executor());
  } else if (to.empty()) {
    to.insert(epoch.members(int(placeOf(epoch, reducer, n))).executor());
  }
  return to;
}

inline void FakeExecutor::run(const Task& task, const TaskReads& reads) {
  const Stage& stage = task.view->stages()[task.stage];
  std::uint64_t value = mixed(stage.root, task.partition);
  for (const auto& shuffle : reads.shuffles) {
    std::uint32_t maps = task.view->tasks(*task.view->exchangeStage(shuffle.exchange), shuffle.whenMs, facts_);
    for (std::uint32_t m = 0; m < maps; ++m) value = mixed(value, inbound_.at({shuffle.exchange, shuffle.whenMs, m, shuffle.reducer}));
  }
  for (const auto& id : reads.kept) {
    auto local = kept.find(id);
    value = mixed(value, local != kept.end() ? local->second : fleet_.executors.at(routes_.at(id))->kept.at(id));
  }
  for (const auto& id : reads.sources) {
    value = mixed(value, id.node);
    for (const auto& input : sources_[id]) value = mixed(value, input.block().sequence() * 31 + input.block().incarnation());
  }
  auto envelope = std::make_shared<Envelope>();
  auto* prepared = envelope->message.mutable_prepared();
  *prepared->mutable_instance() = task.instance;
  prepared->set_k(task.k), prepared->set_executor(id_);
  auto* tasks = prepared->mutable_tasks();
  tasks->add_stage(task.stage), tasks->add_when_ms(task.when), tasks->add_partition(task.partition), tasks->add_attempt(task.attempt);
  if (stage.sink == Stage::Sink::kExchange) {
    const auto& edge = task.view->node(stage.exchange.node).edges(int(stage.exchange.edge));
    bool broadcast = edge.exchange() == proto::EXCHANGE_BROADCAST;
    std::uint32_t reducers =
        edge.exchange() == proto::EXCHANGE_GATHER ? 1 : task.view->partitions(stage.exchange.node, task.when, facts_);
    outbound_[{stage.exchange, task.when, task.partition}] = {value, task.epoch, reducers, broadcast};
    for (std::uint32_t r = 0; r < reducers; ++r) {
      for (std::uint64_t to : destinations(epochs_.at(task.epoch), stage.exchange, task.when, r, reducers, broadcast)) {
        auto it = fleet_.executors.find(to);
        if (it != fleet_.executors.end()) it->second->take(stage.exchange, task.when, task.partition, r, mixed(value, r));
      }
    }
    return;  // nobody tells the master of map tasks
  }
  if (stage.sink == Stage::Sink::kKeep) {
    std::int64_t when = task.view->whenOf(task.view->node(stage.root), task.when);
    kept[{stage.root, when, task.partition}] = value;
    auto* told = prepared->add_kept();
    told->set_node(stage.root), told->set_when_ms(when), told->set_partition(task.partition), told->set_executor(id_);
  } else {
    auto* result = prepared->add_results();
    const auto& output = task.view->plan().outputs(int(stage.output));
    result->set_output(stage.output), result->set_partition(task.partition), result->set_attempt(task.attempt), result->set_rows(1);
    result->set_attachment(-1);
    if (output.kind() == proto::OUTPUT_RESULTS && !fleet_.holdResults) {
      result->set_attachment(0);
      envelope->attachments.push_back(Bytes::of(std::to_string(value)));
    } else if (output.kind() == proto::OUTPUT_PRINT) {
      result->add_lines("(" + std::to_string(value) + ")");
    } else if (output.kind() == proto::OUTPUT_FILES) {
      result->set_staged("/staged/" + std::to_string(task.partition) + "-" + std::to_string(task.attempt));
    }
  }
  told_.push_back(envelope);
  if (told_.size() > 200) told_.pop_front();
  fleet_.tell({Role::kExecutor, id_}, envelope);
}

inline void FakeExecutor::tellAgain() {
  auto again = told_;
  for (const auto& envelope : again) fleet_.tell({Role::kExecutor, id_}, envelope);
}

inline void FakeExecutor::runReady() {
  auto tasks = std::exchange(tasks_, {});
  std::vector<Task> waiting;
  for (const auto& task : tasks) {
    const Stage& stage = task.view->stages()[task.stage];
    TaskReads reads = task.view->reads(stage, task.when, task.partition, facts_);
    if (!ready(task, reads)) {
      waiting.push_back(task);
      continue;
    }
    std::optional<proto::Failed> failed;
    if (fleet_.fails) failed = fleet_.fails(id_, stage, task.when, task.partition, task.attempt);
    if (!failed) {
      run(task, reads);
      continue;
    }
    fleet_.tell({Role::kExecutor, id_}, Fleet::messageOf(&proto::Message::mutable_failed, [&](proto::Failed& f) {
                  f = *failed;
                  *f.mutable_instance() = task.instance;
                  f.set_k(task.k), f.set_executor(id_), f.set_stage(task.stage), f.set_when_ms(task.when), f.set_partition(task.partition);
                  f.set_attempt(task.attempt);
                }));
  }
  tasks_.insert(tasks_.begin(), waiting.begin(), waiting.end());
}

inline void FakeExecutor::runReady(std::mt19937_64& random) {
  if (tasks_.empty()) return;
  auto all = std::exchange(tasks_, {});
  std::size_t one = random() % all.size();
  tasks_.push_back(all[one]);
  runReady();
  all.erase(all.begin() + std::ptrdiff_t(one));
  tasks_.insert(tasks_.end(), all.begin(), all.end());
}

// ---- plans ----

class PlanMaker {
 public:
  explicit PlanMaker(std::uint64_t hash, std::int64_t intervalMs = 0) {
    plan.set_template_hash(hash), plan.set_shape_hash(hash), plan.set_interval_ms(intervalMs);
  }
  proto::Node& node(proto::NodeKind kind) {
    auto* node = plan.add_nodes();
    node->set_id(std::uint32_t(plan.nodes_size())), node->set_kind(kind), node->set_slide_ms(plan.interval_ms());
    node->set_uid("n" + std::to_string(plan.nodes_size()));
    return *node;
  }
  std::uint32_t constant(int partitions) {
    auto& n = node(proto::NODE_SOURCE);
    n.mutable_source()->set_kind(proto::SOURCE_STATIC);
    for (int i = 0; i < partitions; ++i) n.mutable_source()->add_inputs();
    n.set_slide_ms(0);
    return n.id();
  }
  std::uint32_t receiver() {
    auto& n = node(proto::NODE_SOURCE);
    n.mutable_source()->set_kind(proto::SOURCE_RECEIVER), n.mutable_source()->set_copies(2);
    return n.id();
  }
  // One batch for each number: how many partitions; < 0: no value.
  std::uint32_t batches(const std::vector<int>& counts) {
    auto& n = node(proto::NODE_SOURCE);
    n.mutable_source()->set_kind(proto::SOURCE_BATCHES);
    for (int count : counts) {
      auto* batch = n.mutable_source()->add_batches();
      batch->set_no_value(count < 0);
      for (int i = 0; i < count; ++i) batch->add_inputs();
    }
    return n.id();
  }
  proto::Edge& edge(proto::Node& n, std::uint32_t parent, proto::Exchange exchange = proto::EXCHANGE_NONE) {
    auto* e = n.add_edges();
    e->set_parent(parent), e->set_exchange(exchange);
    return *e;
  }
  std::uint32_t step(std::uint32_t parent) {
    auto& n = node(proto::NODE_STEP);
    edge(n, parent);
    return n.id();
  }
  std::uint32_t reduce(std::uint32_t parent, std::uint32_t partitions = 0, proto::Exchange exchange = proto::EXCHANGE_HASH) {
    auto& n = node(proto::NODE_PULL);
    edge(n, parent, exchange);
    n.set_partitions(partitions);
    return n.id();
  }
  std::uint32_t state(std::uint32_t parent) {
    auto& n = node(proto::NODE_PULL);
    auto& own = edge(n, n.id());
    own.set_first_shift_ms(plan.interval_ms());
    edge(n, parent, proto::EXCHANGE_HASH);
    n.mutable_keep()->set_keep(true), n.mutable_keep()->set_state(true);
    return n.id();
  }
  std::uint32_t window(std::uint32_t parent, std::uint32_t batches, std::int64_t slideMs = 0) {
    keep(parent);
    auto& n = node(proto::NODE_UNION);
    auto& e = edge(n, parent);
    e.set_shifts(batches), e.set_shift_step_ms(plan.interval_ms());
    if (slideMs) n.set_slide_ms(slideMs);
    return n.id();
  }
  std::uint32_t coalesce(std::uint32_t parent, std::uint32_t partitions) {
    auto& n = node(proto::NODE_COALESCE);
    edge(n, parent);
    n.set_partitions(partitions);
    return n.id();
  }
  void keep(std::uint32_t id) { plan.mutable_nodes(int(id) - 1)->mutable_keep()->set_keep(true); }
  PlanMaker& output(std::uint32_t id, proto::OutputKind kind = proto::OUTPUT_RESULTS) {
    auto* o = plan.add_outputs();
    o->set_index(std::uint32_t(plan.outputs_size()) - 1), o->set_kind(kind), o->set_node(id), o->set_limit(10), o->set_prefix("/out/dir");
    return *this;
  }
  proto::Plan plan;
};

}  // namespace sluice::master
