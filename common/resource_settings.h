// Settings of resources (GPUs and the like): sluice.OWNER.resource.NAME.amount and .discoveryScript, where the owner is a worker, an executor or
// a driver, and sluice.task.resource.NAME.amount.
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "common/conf.h"
#include "proto/link.pb.h"
#include "sluice/resource_information.h"

namespace sluice {

using ResourceAmounts = std::map<std::string, double, std::less<>>;  // by name

// `owner`: "worker", "executor", "driver" or "task".
SLUICE_INTERNAL ResourceAmounts resourceAmounts(const Settings& settings, std::string_view owner);
// Runs the owner's scripts, which print {"name": "gpu", "addresses": ["0", "1"]}, and takes as many addresses as are wanted. Waits for them.
SLUICE_INTERNAL absl::Status discoverResources(const Settings& settings, std::string_view owner, ResourceMap& resources);
// Whether an executor can run a task of the application at all; else why not, in one line.
SLUICE_INTERNAL absl::Status checkResources(const Settings& settings);

// How many tasks may share one address (an amount of at most 0.5), and how many addresses a task gets.
struct ResourceShare {
  std::uint32_t tasksOfAddress = 1, addresses = 1;
};
SLUICE_INTERNAL ResourceShare shareOf(double amount);
// As many of the executor's slots as its resources last for.
SLUICE_INTERNAL std::uint32_t slotsWith(const Settings& settings, std::uint32_t slots);

using ResourceList = google::protobuf::RepeatedPtrField<proto::Resource>;
SLUICE_INTERNAL void writeResources(const ResourceMap& resources, ResourceList& to);
SLUICE_INTERNAL ResourceMap readResources(const ResourceList& from);

}  // namespace sluice
