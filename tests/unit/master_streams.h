// What tests of streams have in common: plans, what a fleet was told, where its receivers are.
#pragma once
#include <string>
#include <vector>

#include "tests/unit/master_fleet.h"

namespace sluice::master {

inline constexpr std::int64_t kZero = 10'000'000;  // the fleet's clock begins half a second later

inline proto::Input block(std::uint64_t bytes = 100, std::vector<std::uint64_t> holders = {}) {
  proto::Input input;
  input.set_bytes(bytes), input.set_records(10);
  input.mutable_block();
  for (auto holder : holders) input.add_holders(holder);
  return input;
}

// Keyed state over what batches of so many partitions give.
inline proto::Plan stateful(const std::vector<int>& counts, const std::string& directory = "") {
  PlanMaker p(23, 1000);
  auto state = p.state(p.step(p.batches(counts)));
  p.output(p.step(state), proto::OUTPUT_PRINT);
  p.plan.set_checkpoint_directory(directory), p.plan.set_checkpoint_interval_ms(2000);
  return p.plan;
}

// Batches that the driver was told of as done, after zero time.
inline std::vector<std::int64_t> doneTimes(const Fleet& fleet) {
  std::vector<std::int64_t> times;
  for (const auto& m : fleet.received(proto::Message::kBatchDone)) times.push_back(m.batch_done().when_ms() - kZero);
  return times;
}
// The executor that has the receiver; 0: none.
inline std::uint64_t receiverAt(Fleet& fleet, std::uint32_t node) {
  for (auto& [id, executor] : fleet.executors) {
    if (executor->receivers.contains(node)) return id;
  }
  return 0;
}
inline void drain(Fleet& fleet, bool now = false) {
  fleet.driver(Fleet::messageOf(&proto::Message::mutable_drain, [&](proto::Drain& drain) {
    drain.set_app(1), drain.set_stream(1), drain.set_now(now);
  }));
}

}  // namespace sluice::master
