#include "common/resource_settings.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include "common/process.h"

namespace sluice {
namespace {

std::string keyOf(std::string_view owner, std::string_view name, std::string_view what) {
  return "sluice." + std::string(owner) + ".resource." + std::string(name) + "." + std::string(what);
}

absl::Status invalid(const std::string& what) { return absl::InvalidArgumentError(what); }

constexpr std::size_t kMostPrinted = 1 << 20;
constexpr int kMostMs = 30'000;

// What the script prints until it ends; what it says on stderr is shown as it comes. What it leaves running is ended.
absl::Status run(const std::string& script, std::string& printed) {
  ProcessSpec spec;
  spec.arguments = {script};
  spec.out = ProcessSpec::Stream::kPipe;
  Process process;
  if (auto status = spawn(spec, process); !status.ok()) return status;
  const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(kMostMs);
  pollfd events[] = {{process.out.get(), POLLIN, 0}, {process.exit.get(), POLLIN, 0}};
  absl::Status wrong;
  // What it had printed when it ended is in the pipe: that is read first.
  for (bool ended = false; wrong.ok();) {
    auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - std::chrono::steady_clock::now()).count();
    int ready = ::poll(events, 2, ended ? 0 : int(std::max<std::int64_t>(left, 0)));
    if (ready < 0 && errno == EINTR) continue;
    if (ready == 0 && ended) break;
    if (ready <= 0) wrong = invalid("did not end within " + std::to_string(kMostMs / 1000) + " s");
    char some[4096];
    ssize_t n = events[0].revents ? ::read(process.out.get(), some, sizeof some) : 0;
    if (n > 0) printed.append(some, std::size_t(n));
    else if (events[0].revents && n == 0) events[0].fd = -1;
    if (printed.size() > kMostPrinted) wrong = invalid("prints too much");
    if (events[1].revents) ended = true, events[1].fd = -1;
    if (ended && events[0].fd < 0) break;
  }
  process.killGroup();
  int status = process.wait();
  if (!wrong.ok()) return wrong;
  return status == 0 ? absl::OkStatus() : invalid(describeExit(status));
}

std::optional<ResourceInformation> parse(const std::string& printed) {
  auto json = nlohmann::json::parse(printed, nullptr, false);
  if (!json.is_object() || !json.contains("name") || !json.contains("addresses")) return std::nullopt;
  const auto &name = json["name"], &addresses = json["addresses"];
  if (!name.is_string() || !addresses.is_array()) return std::nullopt;
  ResourceInformation found{name.get<std::string>(), {}};
  for (const auto& address : addresses) {
    if (!address.is_string()) return std::nullopt;
    found.addresses.push_back(address.get<std::string>());
  }
  return found;
}

}  // namespace

ResourceAmounts resourceAmounts(const Settings& settings, std::string_view owner) {
  const std::string head = "sluice." + std::string(owner) + ".resource.", tail = ".amount";
  ResourceAmounts amounts;
  for (const auto& [key, value] : settings.all()) {
    if (!key.starts_with(head) || !key.ends_with(tail)) continue;
    amounts[key.substr(head.size(), key.size() - head.size() - tail.size())] = settings.number(key);
  }
  return amounts;
}

absl::Status discoverResources(const Settings& settings, std::string_view owner, ResourceMap& resources) {
  for (const auto& [name, amount] : resourceAmounts(settings, owner)) {
    const std::string key = keyOf(owner, name, "discoveryScript");
    const std::string script = settings.text(key).value_or("");
    if (script.empty()) return invalid(keyOf(owner, name, "amount") + " is set, and nothing says which they are; name a program by " + key);
    std::string printed;
    if (auto status = run(script, printed); !status.ok()) return invalid(key + ": " + script + ": " + std::string(status.message()));
    auto found = parse(printed);
    if (!found) return invalid(key + ": " + script + " did not print a line such as {\"name\": \"" + name + "\", \"addresses\": [\"0\", \"1\"]}");
    if (found->name != name) return invalid(key + ": " + script + " told of '" + found->name + "', not of '" + name + "'");
    auto wanted = std::size_t(amount);
    if (found->addresses.size() < wanted) {
      return invalid(key + ": " + script + " found " + std::to_string(found->addresses.size()) + " addresses, and " + std::to_string(wanted) + " are wanted (" +
                     keyOf(owner, name, "amount") + ")");
    }
    std::set<std::string> different(found->addresses.begin(), found->addresses.end());
    if (different.size() < found->addresses.size() || different.contains("")) return invalid(key + ": " + script + " told of an address twice, or of an empty one");
    found->addresses.resize(wanted);
    resources[name] = std::move(*found);
  }
  return absl::OkStatus();
}

ResourceShare shareOf(double amount) {
  ResourceShare share;
  if (amount <= 0.5) share.tasksOfAddress = std::uint32_t(std::min(std::floor(1 / amount), 65536.0));
  else share.addresses = std::uint32_t(std::min(amount, 65536.0));
  return share;
}

absl::Status checkResources(const Settings& settings) {
  const ResourceAmounts executor = resourceAmounts(settings, "executor");
  for (const auto& [name, amount] : resourceAmounts(settings, "task")) {
    const std::string key = keyOf("task", name, "amount") + "=" + settings.text(keyOf("task", name, "amount")).value_or("");
    if (amount > 0.5 && amount != std::floor(amount)) {
      return invalid(key + " is neither a whole number nor at most 0.5; tasks share an address, or have some of their own");
    }
    auto has = executor.find(name);
    if (has == executor.end()) return invalid(key + ", but executors have none; set " + keyOf("executor", name, "amount"));
    if (amount > has->second) {
      return invalid(key + " is more than an executor has (" + keyOf("executor", name, "amount") + "=" + settings.text(keyOf("executor", name, "amount")).value_or("") + ")");
    }
  }
  return absl::OkStatus();
}

std::uint32_t slotsWith(const Settings& settings, std::uint32_t slots) {
  const ResourceAmounts executor = resourceAmounts(settings, "executor");
  for (const auto& [name, amount] : resourceAmounts(settings, "task")) {
    auto has = executor.find(name);
    if (has == executor.end()) continue;
    ResourceShare share = shareOf(amount);
    double tasks = std::floor(has->second / share.addresses) * share.tasksOfAddress;
    slots = std::uint32_t(std::min(double(slots), tasks));
  }
  return slots;
}

void writeResources(const ResourceMap& resources, ResourceList& to) {
  for (const auto& [name, resource] : resources) {
    auto& written = *to.Add();
    written.set_name(name);
    for (const auto& address : resource.addresses) written.add_addresses(address);
  }
}

ResourceMap readResources(const ResourceList& from) {
  ResourceMap resources;
  for (const auto& resource : from) resources[resource.name()] = {resource.name(), {resource.addresses().begin(), resource.addresses().end()}};
  return resources;
}

}  // namespace sluice
