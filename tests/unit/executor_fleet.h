// Executors' machines on a table: plans made by hand, messages passed by the test, tasks run when the test says so.
#pragma once
#include <gtest/gtest.h>
#include <stdlib.h>

#include <deque>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "common/envelope.h"
#include "sluice/shipped.h"
#include "sluice/typed.h"
#include "worker/executor/code.h"
#include "worker/executor/machine.h"
#include "worker/executor/runtime.h"

namespace sluice::executor::testing {

// Descriptors of this process, named by their addresses.
class AddressCode final : public CodeResolver {
 public:
  const void* resolve(std::uint32_t, std::uint64_t offset, std::uint64_t magic) override {
    auto at = reinterpret_cast<const void*>(offset);
    if (offset == 0 || *static_cast<const std::uint64_t*>(at) != magic) throwError(ErrorKind::kInvalidArgument, "no descriptor lies there");
    return at;
  }
};

inline proto::Code codeAt(const void* descriptor) {
  proto::Code code;
  code.set_offset(reinterpret_cast<std::uint64_t>(descriptor));
  return code;
}

template <class T> std::string rowsOf(const std::vector<T>& records) {
  Buffer out;
  typeDesc<T>()->encode(records.data(), records.size(), out);
  return std::string(out.view());
}

template <class T> std::vector<T> recordsOf(std::string_view rows, std::uint64_t count) {
  std::vector<T> records;
  RowReader in{rows.data(), rows.data() + rows.size()};
  for (std::uint64_t i = 0; i < count; ++i) records.push_back(Codec<T>::get(in));
  return records;
}

class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "sluice-executor-XXXXXX").string();
    path_ = ::mkdtemp(name.data());
  }
  ~TemporaryFolder() { std::filesystem::remove_all(path_); }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// Node by node, parents first; ids count from 1.
class PlanMaker {
 public:
  PlanMaker() { plan_ = std::make_shared<proto::Plan>(); }

  template <class T> proto::Node& source(std::vector<std::pair<std::string, std::uint64_t>> partitions, bool text) {
    proto::Node& node = add<T>(proto::NODE_SOURCE, "source");
    node.mutable_source()->set_kind(proto::SOURCE_STATIC);
    node.mutable_source()->set_text(text);
    for (auto& [rows, count] : partitions) {
      proto::Input& input = *node.mutable_source()->add_inputs();
      input.set_bytes(rows.size());
      input.set_rows(std::move(rows)), input.set_records(count), input.set_text(text);
    }
    return node;
  }
  template <class T> proto::Node& step(const proto::Node& parent, const OpRef& op, const char* name) {
    return operation<T>(proto::NODE_STEP, parent, op, name);
  }
  template <class T> proto::Node& pull(const proto::Node& parent, const OpRef& op, const char* name) {
    return operation<T>(proto::NODE_PULL, parent, op, name);
  }
  // The reading end of an exchange: `In` is what rows are decoded as.
  template <class In, class T>
  proto::Node& exchange(const proto::Node& parent, proto::Exchange kind, const OpRef& op, const char* name, std::uint32_t partitions = 0) {
    proto::Node& node = operation<T>(proto::NODE_PULL, parent, op, name);
    node.mutable_edges(0)->set_exchange(kind);
    *node.mutable_edges(0)->mutable_read_type() = codeAt(typeDesc<In>());
    node.set_partitions(partitions);
    return node;
  }
  proto::Output& output(const proto::Node& node, proto::OutputKind kind) {
    proto::Output& output = *plan_->add_outputs();
    output.set_index(std::uint32_t(plan_->outputs_size() - 1)), output.set_kind(kind), output.set_node(node.id());
    return output;
  }
  template <class T> proto::Node& add(proto::NodeKind kind, const char* name) {
    proto::Node& node = *plan_->add_nodes();
    node.set_id(std::uint32_t(plan_->nodes_size()));
    node.set_kind(kind), node.set_name(name), node.set_site("plan.cc:" + std::to_string(node.id()));
    *node.mutable_type() = codeAt(typeDesc<T>());
    captures_.add_nodes();
    return node;
  }
  proto::Edge& edge(proto::Node& node, const proto::Node& parent) {
    proto::Edge& edge = *node.add_edges();
    edge.set_parent(parent.id());
    return edge;
  }
  std::shared_ptr<proto::Plan> plan() { return plan_; }
  proto::Captures& captures() { return captures_; }

 private:
  template <class T> proto::Node& operation(proto::NodeKind kind, const proto::Node& parent, const OpRef& op, const char* name) {
    std::uint32_t from = parent.id();
    proto::Node& node = add<T>(kind, name);
    node.add_edges()->set_parent(from);
    *node.mutable_op() = codeAt(op.desc);
    captures_.set_nodes(captures_.nodes_size() - 1, op.captures);
    return node;
  }
  std::shared_ptr<proto::Plan> plan_;  // nodes are pointers inside: references stay good
  proto::Captures captures_;
};

// One executor: its machine, its data plane, and what it asked of its shell.
class Fleet;
class Member final : public Effects {
 public:
  Member(Fleet& fleet, std::uint64_t id, std::uint64_t memoryBytes, CodeResolver& code);
  void send(Peer to, EnvelopePtr envelope, std::uint64_t) override;
  void arm(TimerName timer, Moment at) override { timers[timer] = at; }
  void disarm(TimerName timer) override { timers.erase(timer); }
  void log(const std::string& line) override { logs.push_back(line); }
  void run(std::shared_ptr<const TaskSpec> task) override { tasks.push_back(std::move(task)); }
  void background(std::function<void()> work, std::function<void(Moment)> done) override {
    works.emplace_back(std::move(work), std::move(done));
  }
  void startThread(std::function<void()> body) override { threads.push_back(std::move(body)); }
  void post(std::function<void(Moment)> event) override {
    std::lock_guard lock(postMutex);
    posts.push_back(std::move(event));
  }
  void giveUp(const std::string& why) override { gaveUp = why; }
  void connect(Peer to, const std::string&) override { connects.push_back(to); }

  std::uint64_t id;
  TemporaryFolder folder;
  Runtime runtime;
  std::deque<std::shared_ptr<const TaskSpec>> tasks;
  std::deque<std::pair<std::function<void()>, std::function<void(Moment)>>> works;
  std::mutex postMutex;
  std::deque<std::function<void(Moment)>> posts;
  std::vector<std::function<void()>> threads;
  std::map<TimerName, Moment> timers;
  std::vector<std::string> logs;
  std::string gaveUp;
  std::vector<Peer> connects;
  std::unique_ptr<Machine> machine;

 private:
  Fleet& fleet_;
};

class Fleet {
 public:
  explicit Fleet(int executors, std::uint64_t memoryBytes = 64 << 20) {
    for (int i = 1; i <= executors; ++i) members.push_back(std::make_unique<Member>(*this, std::uint64_t(i), memoryBytes, code));
    for (auto& member : members) {
      member->machine->start(now);
      member->machine->onSession(kMasterPeer, true, now);
    }
    for (auto& a : members) {
      for (auto& b : members) {
        if (a != b) a->machine->onSession({Role::kExecutor, b->id}, true, now);
      }
    }
    toMaster.clear();
  }
  Member& at(std::uint64_t id) { return *members[id - 1]; }

  proto::Epoch epoch(std::uint32_t defaultPartitions) const {
    proto::Epoch epoch;
    epoch.set_epoch(1), epoch.set_default_partitions(defaultPartitions);
    for (const auto& member : members) {
      proto::Member& m = *epoch.add_members();
      m.set_executor(member->id), m.set_slots(2), m.set_host("host"), m.set_address("address");
    }
    return epoch;
  }
  void install(PlanMaker& maker, std::uint32_t defaultPartitions) {
    epoch_ = epoch(defaultPartitions);
    view = std::make_unique<PlanView>(maker.plan());
    for (auto& member : members) {
      auto [envelope, install] = compose(&proto::Message::mutable_install);
      install->set_template_hash(7);
      *install->mutable_plan() = *maker.plan();
      *install->mutable_captures() = maker.captures();
      install->mutable_captures()->set_version(1);
      *install->mutable_epoch() = epoch_;
      member->machine->onMessage(kMasterPeer, envelope, now);
    }
  }
  // A Launch of the instance for one executor; tasks are added by the caller.
  std::pair<std::shared_ptr<Envelope>, proto::Launch*> launch(std::int64_t when, std::uint32_t k = 0) const {
    auto [envelope, launch] = compose(&proto::Message::mutable_launch);
    launch->mutable_instance()->set_app(1), launch->mutable_instance()->set_when_ms(when);
    launch->set_k(k), launch->set_template_hash(7), launch->set_captures_version(1), launch->set_epoch(1);
    return {std::move(envelope), launch};
  }
  static void addTask(proto::Launch& launch, std::uint32_t stage, std::int64_t when, std::uint32_t partition, std::uint32_t attempt = 1) {
    launch.mutable_tasks()->add_stage(stage), launch.mutable_tasks()->add_when_ms(when);
    launch.mutable_tasks()->add_partition(partition), launch.mutable_tasks()->add_attempt(attempt);
  }
  // Every task of a job without sources of streams, each where the epoch places it.
  void launchAll(std::int64_t when, std::uint32_t k = 0) {
    Facts facts;
    facts.defaultPartitions = epoch_.default_partitions();
    std::map<std::uint64_t, std::pair<std::shared_ptr<Envelope>, proto::Launch*>> launches;
    for (auto& member : members) launches[member->id] = launch(when, k);
    for (const Stage& stage : view->stages()) {
      std::uint32_t n = view->tasks(stage, when, facts);
      std::int64_t at = stage.sink == Stage::Sink::kKeep ? view->whenOf(view->node(stage.root), when) : when;
      for (std::uint32_t p = 0; p < n; ++p) {
        addTask(*launches[epoch_.members(int(placeOf(epoch_, p, n))).executor()].second, stage.index, at, p);
      }
    }
    for (auto& [id, launch] : launches) members[id - 1]->machine->onMessage(kMasterPeer, launch.first, now);
  }

  // Lets everything that is possible happen: messages, tasks, background work.
  void settle() {
    for (bool busy = true; busy;) {
      busy = false;
      for (auto& member : members) {
        while (runTask(*member) || runWork(*member)) busy = true;
      }
      while (deliverOne()) busy = true;
    }
  }
  bool runTask(Member& member) {
    if (member.tasks.empty()) return false;
    auto task = std::move(member.tasks.front());
    member.tasks.pop_front();
    TaskDone done = member.runtime.runTask(*task);
    member.machine->onTaskDone(task, std::move(done), now);
    return true;
  }
  bool runWork(Member& member) {
    std::function<void(Moment)> event;
    {
      std::lock_guard lock(member.postMutex);
      if (!member.posts.empty()) {
        event = std::move(member.posts.front());
        member.posts.pop_front();
      }
    }
    if (event) event(now);
    if (event) return true;
    if (member.works.empty()) return false;
    auto [work, done] = std::move(member.works.front());
    member.works.pop_front();
    work();
    done(now);
    return true;
  }
  bool deliverOne() {
    if (wire.empty()) return false;
    auto [from, to, envelope] = std::move(wire.front());
    wire.pop_front();
    deliver(from, to, envelope);
    return true;
  }
  void deliver(std::uint64_t from, std::uint64_t to, const EnvelopePtr& envelope) {
    if (!dead.contains(to)) at(to).machine->onMessage({Role::kExecutor, from}, envelope, now);
  }
  void fire(Member& member, std::uint32_t kind) {
    auto timers = member.timers;
    for (auto& [name, at] : timers) {
      if (name.kind != kind) continue;
      member.timers.erase(name);
      now = std::max(now, at);
      member.machine->onTimer(name, now);
    }
  }

  std::vector<EnvelopePtr> ofKind(proto::Message::BodyCase kind) const {
    std::vector<EnvelopePtr> found;
    for (const auto& [from, envelope] : toMaster) {
      if (envelope->message.body_case() == kind) found.push_back(envelope);
    }
    return found;
  }
  // All results of an output, by partition; those that stayed in an executor are left out.
  template <class T> std::map<std::uint32_t, std::vector<T>> results(std::uint32_t output = 0) const {
    std::map<std::uint32_t, std::vector<T>> found;
    for (const auto& envelope : ofKind(proto::Message::kPrepared)) {
      for (const auto& result : envelope->message.prepared().results()) {
        if (result.output() != output || result.attachment() < 0) continue;
        found[result.partition()] = recordsOf<T>(envelope->attachments[std::size_t(result.attachment())].view(), result.rows());
      }
    }
    return found;
  }

  Moment now = Moment::of(Time(1'000'000));
  AddressCode code;
  std::deque<std::tuple<std::uint64_t, std::uint64_t, EnvelopePtr>> wire;  // between executors
  std::vector<std::pair<std::uint64_t, EnvelopePtr>> toMaster;
  std::vector<EnvelopePtr> toDriver;
  std::set<std::uint64_t> dead;
  std::vector<std::unique_ptr<Member>> members;
  std::unique_ptr<PlanView> view;

 private:
  proto::Epoch epoch_;
};

inline Member::Member(Fleet& fleet, std::uint64_t id, std::uint64_t memoryBytes, CodeResolver& code)
    : id(id), runtime({2, memoryBytes, folder.path()}, code), fleet_(fleet) {
  Options options;
  options.app = AppId(1), options.executor = ExecutorId(id), options.slots = 2, options.memoryBytes = memoryBytes;
  options.spillDirectory = folder.path();
  machine = std::make_unique<Machine>(options, *this, runtime);
}

inline void Member::send(Peer to, EnvelopePtr envelope, std::uint64_t) {
  if (fleet_.dead.contains(id)) return;
  if (to.role == Role::kMaster) fleet_.toMaster.emplace_back(id, std::move(envelope));
  else if (to.role == Role::kDriver) fleet_.toDriver.push_back(std::move(envelope));
  else fleet_.wire.emplace_back(id, to.id, std::move(envelope));
}

}  // namespace sluice::executor::testing
