// An executor that follows the protocol without running anything: what a task gives is a hash of what it read, so that a wrong, missing or
// doubled input shows in the results.
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

// How many seeds a random test goes through; SLUICE_SEEDS says more. A quarter of them with a sanitizer, which slows the pure machines most.
inline std::uint64_t seeds(std::uint64_t usual) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  usual /= 4;
#endif
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
  int panesWritten = 0;
  std::map<std::uint32_t, std::uint64_t> receivers;  // node -> incarnation
  std::vector<proto::StartReceiver> started;
  std::vector<proto::ReceiverRate> rates;
  std::vector<proto::Release> releases;
  std::vector<proto::Publish> published;
  std::vector<proto::Launch> launches;
  std::vector<proto::CancelInstance> cancels;
  std::vector<proto::StopTask> stops;
  std::vector<bool> watches;
  // Map outputs that jobs left: by name, edge and map partition.
  std::map<std::tuple<std::uint64_t, std::uint32_t, std::uint32_t>, std::uint64_t> left;
  std::size_t ran = 0;  // tasks that made something
  void tellAgain();
  void answer(const proto::Publish& publish);
  std::size_t pending() const { return tasks_.size(); }
  std::size_t plans() const { return plans_.size(); }
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
    std::uint64_t name = 0;  // of the map outputs it makes; 0: they do not last
    bool found = false;
  };
  using Segment = std::tuple<ExchangeId, std::int64_t, std::uint32_t, std::uint32_t>;
  void release(const proto::Mark& mark);
  bool ready(const Task& task, const TaskReads& reads);
  void run(const Task& task, const TaskReads& reads);
  void push(const Task& task, std::uint64_t value);
  void pushFound(const Task& task);
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
  std::map<ExchangeId, std::uint32_t> marked_;  // whose mark lets segments go
};

}  // namespace sluice::master
