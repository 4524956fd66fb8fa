// Resources of executors and tasks: what settings say, how they are found, who gets which.
#include "common/resource_settings.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <set>
#include <thread>
#include <utility>

#include "worker/executor/task_resources.h"

namespace sluice {
namespace {

Settings settingsOf(std::initializer_list<std::pair<const char*, std::string>> values) {
  Settings settings;
  for (const auto& [key, value] : values) {
    auto status = settings.set(key, value, ConfOrigin::kProgram);
    EXPECT_TRUE(status.ok()) << status.message();
  }
  return settings;
}

// A program that prints this and ends so.
class Script {
 public:
  explicit Script(const std::string& prints, int code = 0) {
    static std::atomic<int> made{0};
    path = std::filesystem::temp_directory_path() / ("sluice-resources-" + std::to_string(::getpid()) + "-" + std::to_string(++made));
    std::ofstream(path) << "#!/bin/sh\necho '" << prints << "'\nexit " << code << "\n";
    ::chmod(path.c_str(), 0700);
  }
  ~Script() { std::filesystem::remove(path); }
  std::filesystem::path path;
};

std::string discovered(const std::string& script, const char* amount, ResourceMap& found) {
  Settings settings = settingsOf({{"sluice.worker.resource.gpu.amount", amount}, {"sluice.worker.resource.gpu.discoveryScript", script}});
  auto status = discoverResources(settings, "worker", found);
  return std::string(status.message());
}

TEST(ResourceSettings, AreReadByOwner) {
  Settings settings = settingsOf({{"sluice.executor.resource.gpu.amount", "2"}, {"sluice.task.resource.gpu.amount", "0.25"}, {"sluice.task.resource.fpga.amount", "1"}});
  EXPECT_EQ(resourceAmounts(settings, "executor"), (ResourceAmounts{{"gpu", 2}}));
  EXPECT_EQ(resourceAmounts(settings, "task"), (ResourceAmounts{{"fpga", 1}, {"gpu", 0.25}}));
  EXPECT_TRUE(resourceAmounts(settings, "worker").empty());
}

TEST(ResourceSettings, AreCheckedAgainstEachOther) {
  auto wrong = [](std::initializer_list<std::pair<const char*, std::string>> values) { return std::string(checkResources(settingsOf(values)).message()); };
  EXPECT_EQ(wrong({}), "");
  EXPECT_EQ(wrong({{"sluice.executor.resource.gpu.amount", "2"}, {"sluice.task.resource.gpu.amount", "2"}}), "");
  EXPECT_EQ(wrong({{"sluice.executor.resource.gpu.amount", "2"}, {"sluice.task.resource.gpu.amount", "0.5"}}), "");
  EXPECT_EQ(wrong({{"sluice.task.resource.gpu.amount", "1"}}), "sluice.task.resource.gpu.amount=1, but executors have none; set sluice.executor.resource.gpu.amount");
  EXPECT_EQ(wrong({{"sluice.executor.resource.gpu.amount", "1"}, {"sluice.task.resource.gpu.amount", "2"}}),
            "sluice.task.resource.gpu.amount=2 is more than an executor has (sluice.executor.resource.gpu.amount=1)");
  EXPECT_EQ(wrong({{"sluice.executor.resource.gpu.amount", "1"}, {"sluice.task.resource.gpu.amount", "0.7"}}),
            "sluice.task.resource.gpu.amount=0.7 is neither a whole number nor at most 0.5; tasks share an address, or have some of their own");
  Settings settings;
  EXPECT_EQ(settings.set("sluice.task.resource.gpu.amount", "-1", ConfOrigin::kFlag, "--conf").message(), "--conf: sluice.task.resource.gpu.amount=-1 is not a number above 0");
  EXPECT_EQ(settings.set("sluice.executor.resource.gpu.amount", "0.5", ConfOrigin::kFlag, "--conf").message(),
            "--conf: sluice.executor.resource.gpu.amount=0.5 is not a positive whole number");
}

TEST(ResourceSettings, LimitSlots) {
  auto slots = [](const char* executor, const char* task) {
    return slotsWith(settingsOf({{"sluice.executor.resource.gpu.amount", executor}, {"sluice.task.resource.gpu.amount", task}}), 8);
  };
  EXPECT_EQ(slots("2", "1"), 2u);
  EXPECT_EQ(slots("5", "2"), 2u);
  EXPECT_EQ(slots("1", "0.25"), 4u);
  EXPECT_EQ(slots("2", "0.3"), 6u) << "three share each";
  EXPECT_EQ(slots("16", "1"), 8u);
  EXPECT_EQ(slotsWith(Settings(), 8), 8u);
}

TEST(ResourceSettings, ScriptsTellAddresses) {
  ResourceMap found;
  Script good(R"({"name": "gpu", "addresses": ["0", "1", "card \"2\""]})");
  EXPECT_EQ(discovered(good.path, "2", found), "");
  EXPECT_EQ(found, (ResourceMap{{"gpu", {"gpu", {"0", "1"}}}})) << "as many as are wanted";
  EXPECT_EQ(discovered(good.path, "3", found), "");
  EXPECT_EQ(found.at("gpu").addresses.back(), "card \"2\"");
}

TEST(ResourceSettings, ScriptsThatFailAreOneLine) {
  ResourceMap found;
  const std::string key = "sluice.worker.resource.gpu.discoveryScript: ";
  Script few(R"({"name": "gpu", "addresses": ["0"]})"), other(R"({"name": "tpu", "addresses": []})"), fails("{}", 3);
  EXPECT_EQ(discovered(few.path, "2", found), key + few.path.string() + " found 1 addresses, and 2 are wanted (sluice.worker.resource.gpu.amount)");
  EXPECT_EQ(discovered(other.path, "1", found), key + other.path.string() + " told of 'tpu', not of 'gpu'");
  EXPECT_EQ(discovered(fails.path, "1", found), key + fails.path.string() + ": exited with 3");
  for (const char* text : {"", "GPU 0", "[]", "{\"name\": \"gpu\"}", "{\"name\": 7, \"addresses\": []}", "{\"name\": \"gpu\", \"addresses\": [0]}"}) {
    Script bad(text);
    EXPECT_EQ(discovered(bad.path, "1", found), key + bad.path.string() + " did not print a line such as {\"name\": \"gpu\", \"addresses\": [\"0\", \"1\"]}");
  }
  Script twice(R"({"name": "gpu", "addresses": ["0", "1", "0"]})"), empty(R"({"name": "gpu", "addresses": [""]})");
  for (const Script* script : {&twice, &empty}) EXPECT_EQ(discovered(script->path, "1", found), key + script->path.string() + " told of an address twice, or of an empty one");
  EXPECT_EQ(discovered("", "1", found), "sluice.worker.resource.gpu.amount is set, and nothing says which they are; name a program by sluice.worker.resource.gpu.discoveryScript");
  EXPECT_NE(discovered("/nowhere/at/all", "1", found).find(key + "/nowhere/at/all: "), std::string::npos);
  EXPECT_TRUE(found.empty());
}

// A program that it leaves running, with its output, is not waited for, and ended.
TEST(ResourceSettings, ScriptsLeaveNothingBehind) {
  Script leaving("");
  std::ofstream(leaving.path) << "#!/bin/sh\nsleep 1000 &\necho $! > " << leaving.path.string() << ".pid\necho '{\"name\": \"gpu\", \"addresses\": [\"0\"]}'\n";
  ResourceMap found;
  EXPECT_EQ(discovered(leaving.path, "1", found), "");
  EXPECT_EQ(found.at("gpu").addresses, std::vector<std::string>{"0"});
  std::string pid;
  std::getline(std::ifstream(leaving.path.string() + ".pid") >> std::ws, pid);
  std::filesystem::remove(leaving.path.string() + ".pid");
  auto running = [&] {  // a zombie that its new parent has not taken yet is none
    std::ifstream stat("/proc/" + pid + "/stat");
    std::string text;
    return std::getline(stat, text) && text.find(") Z") == std::string::npos && text.find("sleep") != std::string::npos;
  };
  while (running()) std::this_thread::yield();
}

// ---- tasks ----

ResourceMap gpus(std::initializer_list<std::string> addresses) { return {{"gpu", {"gpu", addresses}}}; }

TEST(TaskResources, EachTaskHasItsOwn) {
  executor::TaskResources resources(gpus({"a", "b", "c", "d"}), {{"gpu", 2}});
  ResourceMap first = resources.take(), second = resources.take();
  EXPECT_EQ(first, gpus({"a", "b"}));
  EXPECT_EQ(second, gpus({"c", "d"}));
  resources.give(first);
  EXPECT_EQ(resources.take(), gpus({"a", "b"}));
}

TEST(TaskResources, SomeShareAnAddress) {
  executor::TaskResources resources(gpus({"a", "b"}), {{"gpu", 0.5}});
  EXPECT_EQ(resources.take(), gpus({"a"}));
  EXPECT_EQ(resources.take(), gpus({"a"}));
  EXPECT_EQ(resources.take(), gpus({"b"}));
}

TEST(TaskResources, NothingIsNeededWhereNothingIsNamed) {
  executor::TaskResources none({}, {}), unnamed(gpus({"a"}), {});
  EXPECT_TRUE(none.take().empty());
  EXPECT_TRUE(unnamed.take().empty());
}

// Whoever comes too early waits, and nobody has what another has.
TEST(TaskResources, AreNeverHadTwice) {
  executor::TaskResources resources(gpus({"a", "b", "c"}), {{"gpu", 1}});
  Mutex mutex;
  std::multiset<std::string> had;
  bool twice = false;
  auto work = [&] {
    for (int i = 0; i < 2000; ++i) {
      ResourceMap mine = resources.take();
      const std::string& address = mine.at("gpu").addresses.at(0);
      {
        MutexLock lock(mutex);
        twice |= had.contains(address);
        had.insert(address);
      }
      {
        MutexLock lock(mutex);
        had.erase(address);
      }
      resources.give(mine);
    }
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < 5; ++i) threads.emplace_back(work);
  for (auto& thread : threads) thread.join();
  EXPECT_FALSE(twice);
}

}  // namespace
}  // namespace sluice
