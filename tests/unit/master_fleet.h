// The master's machine with a recording shell and a fleet of fake executors, whose sessions break and who are lost as a test says.
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
#include "master_fake_executor.h"
#include "master_plan_maker.h"

namespace sluice::master {

inline void withPlan(proto::RunJob& run, const proto::Plan& plan) {
  *run.mutable_plan() = plan;
  for (int i = 0; i < plan.nodes_size(); ++i) run.mutable_captures()->add_nodes();
}

// A machine on a journal that has a snapshot after a number of records.
inline std::unique_ptr<Machine> replayed(const Options& options, Effects& effects, const std::vector<proto::JournalRecord>& journal, std::size_t snapshotAt) {
  auto machine = std::make_unique<Machine>(options, effects);
  for (std::size_t i = 0; i <= journal.size(); ++i) {
    if (i == snapshotAt) {
      auto former = std::exchange(machine, std::make_unique<Machine>(options, effects));
      proto::JournalSnapshot snapshot;
      EXPECT_TRUE(snapshot.ParseFromString(former->journalSnapshot().SerializeAsString()));
      EXPECT_TRUE(machine->restore(i, snapshot).ok());
    }
    if (i < journal.size()) EXPECT_TRUE(machine->replay(i + 1, journal[i]).ok());
  }
  return machine;
}
// After all records, at some, or at none: as the journal's length falls.
inline std::unique_ptr<Machine> replayed(const Options& options, Effects& effects, const std::vector<proto::JournalRecord>& journal) {
  return replayed(options, effects, journal, journal.size() * (journal.size() % 4) / 3);
}

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
           report.set_map_outputs(!executors[id]->left.empty());
         }));
  }
  // `crash`: what user code did that ended it; "": it was not user code.
  void kill(std::uint64_t id, const std::string& crash = "") {
    executors.erase(id);
    tell({Role::kWorker, 1}, messageOf(&proto::Message::mutable_executor_down, [&](proto::ExecutorDown& down) {
           down.set_executor(id), down.set_how("killed by signal 9"), down.set_crash(crash), down.set_user_code(!crash.empty());
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

  // Another master, on this one's journal; what was under way is lost, and nobody has a session with it.
  void restart() { restartFrom(replayed(options, *this, journal)); }
  void restartFromSnapshot() { restartFrom(replayed(options, *this, journal, journal.size())); }  // which says everything
  void restartFrom(std::unique_ptr<Machine> next) {
    queue.clear(), timers.clear();
    machine = std::move(next);
    machine->start(now);
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
    askForJob(number, plan, withPlan, std::move(partitions), captures);
    settle();
  }
  void askForJob(std::uint64_t number, const proto::Plan& plan, bool withPlan = true, std::vector<std::uint32_t> partitions = {},
                 std::uint64_t captures = 1) {
    tell({Role::kDriver, 1}, messageOf(&proto::Message::mutable_run_job, [&](proto::RunJob& run) {
           run.set_app(1), run.set_number(number), run.set_template_hash(plan.template_hash());
           run.mutable_captures()->set_version(captures);
           if (withPlan) sluice::master::withPlan(run, plan);
           for (std::uint32_t p : partitions) run.add_partitions(p);
           nameExchanges(run, plan);
         }));
  }
  // What the driver names, if it does.
  void nameExchanges(proto::RunJob& run, const proto::Plan& plan) {
    for (std::uint32_t node : std::exchange(gone, {})) run.add_gone(node);
    if (!named) return;
    for (const auto& node : plan.nodes()) {
      bool exchange = std::any_of(node.edges().begin(), node.edges().end(), [](const auto& edge) { return edge.exchange() != proto::EXCHANGE_NONE; });
      if (exchange) run.add_exchange_nodes(node.id()), run.add_exchange_ids(node.id() + *named);
    }
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
  // The journal replayed by another machine says the same, wherever there was a snapshot.
  void expectReplays() {
    std::string state = machine->journalSnapshot().SerializeAsString();
    for (std::size_t at = 0; at <= 8; ++at) {
      std::size_t snapshotAt = journal.size() * at / 8;
      EXPECT_TRUE(replayed(options, *this, journal, snapshotAt)->journalSnapshot().SerializeAsString() == state) << "with a snapshot at " << snapshotAt;
    }
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
  std::optional<std::uint32_t> named;  // jobs name map outputs for later ones: the driver's nodes have the plan's ids and this
  std::vector<std::uint32_t> gone;     // nodes that the next job says are no more
  std::uint64_t recordsRead = 0;  // of each partition of a source; 0: nothing is said
  bool autoSync = true, answerDriver = true, answerPublish = true, paused = false, shuffled = false;
  std::mt19937_64 random;
  // Lets a task fail: returns the domain and message, or nothing.
  std::function<std::optional<proto::Failed>(std::uint64_t executor, const Stage&, std::int64_t when, std::uint32_t partition, std::uint32_t attempt)>
      fails;

 private:
  std::uint32_t slots_;
  std::vector<std::string> conf_;
};

}  // namespace sluice::master
