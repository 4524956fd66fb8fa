#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>
#include <set>

#include "common/conf.h"

namespace sluice {
namespace {

std::string message(const absl::Status& status) {
  return std::string(status.message().data(), status.message().size());
}

TEST(Conf, SizesAreRead) {
  EXPECT_EQ(parseSize("512m"), 512u << 20);
  EXPECT_EQ(parseSize("1g"), 1u << 30);
  EXPECT_EQ(parseSize("64MiB"), 64u << 20);
  EXPECT_EQ(parseSize("1.5k"), 1536u);
  EXPECT_EQ(parseSize("10"), 10u);
  EXPECT_EQ(parseSize("10", "m"), 10u << 20);
  EXPECT_EQ(parseSize(" 2 GB "), 2ull << 30);
  for (const char* bad : {"", "m", "-1m", "1x", "1mm", "nan", "inf", "9999999999p"})
    EXPECT_EQ(parseSize(bad), std::nullopt) << bad;
}

// A file that is none: neither the time nor the message grows with its lines.
TEST(Conf, LongNonsenseIsToldInShort) {
  std::string name = "sluice." + std::string(4 << 20, 'x');
  for (const std::string& pair : {name + "=1", "spark." + name + "=1", name, std::string("sluice.executor.memory=") + name}) {
    Settings settings;
    auto status = settings.setPair(pair, ConfOrigin::kFlag);
    EXPECT_FALSE(status.ok());
    EXPECT_LT(status.message().size(), 500u) << status.message().substr(0, 500);
  }
}

TEST(Conf, TimesAreRead) {
  EXPECT_EQ(parseTimeMs("200ms"), 200);
  EXPECT_EQ(parseTimeMs("2s"), 2000);
  EXPECT_EQ(parseTimeMs("1m"), 60'000);
  EXPECT_EQ(parseTimeMs("1min"), 60'000);
  EXPECT_EQ(parseTimeMs("3h"), 10'800'000);
  EXPECT_EQ(parseTimeMs("5", "s"), 5000);
  EXPECT_EQ(parseTimeMs("5"), 5);
  EXPECT_EQ(parseTimeMs("0s"), 0);
  for (const char* bad : {"", "abc", "-5s", "10us", "1y"}) EXPECT_EQ(parseTimeMs(bad), std::nullopt) << bad;
}

TEST(Conf, TheTableIsSound) {
  std::set<std::string> names;
  for (const ConfKey& key : kConfKeys) {
    EXPECT_TRUE(names.insert(key.name).second) << key.name << " is there twice";
    if (!*key.standard) continue;
    Settings settings;
    EXPECT_TRUE(settings.set(key.name, key.standard, ConfOrigin::kProgram).ok()) << key.name;
    EXPECT_NE(Settings::help().find(key.name), std::string::npos);
  }
}

TEST(Conf, TypedValuesAndStandards) {
  Settings settings;
  EXPECT_EQ(settings.get(conf::kBlockInterval), Milliseconds(200));
  EXPECT_EQ(settings.get(conf::kDriverMaxResultSize).bytes, 1u << 30);
  EXPECT_EQ(settings.get(conf::kTaskMaxFailures), 4);
  EXPECT_FALSE(settings.get(conf::kLocalIsolate));
  EXPECT_EQ(settings.find(conf::kExecutorMemory), std::nullopt);
  ASSERT_TRUE(settings.set("sluice.executor.memory", "512", ConfOrigin::kFlag).ok());  // bare: MiB, as in Spark
  EXPECT_EQ(settings.get(conf::kExecutorMemory).bytes, 512u << 20);
  ASSERT_TRUE(settings.setPair("sluice.app.name = Word = Count", ConfOrigin::kFlag).ok());
  EXPECT_EQ(settings.get(conf::kAppName), "Word = Count");
}

TEST(Conf, TheProgramWinsOverFlagsOverFilesOverTheEnvironment) {
  Settings settings;
  auto set = [&](const char* value, ConfOrigin origin) {
    ASSERT_TRUE(settings.set("sluice.master", value, origin).ok());
  };
  set("flag", ConfOrigin::kFlag);
  set("file", ConfOrigin::kFile);
  ASSERT_TRUE(settings
                  .readEnvironment(
                      [](const char* name) { return std::string(name) == "SLUICE_MASTER" ? "environment" : nullptr; })
                  .ok());
  EXPECT_EQ(settings.get(conf::kMaster), "flag");
  set("program", ConfOrigin::kProgram);
  set("another flag", ConfOrigin::kFlag);
  EXPECT_EQ(settings.get(conf::kMaster), "program");
  EXPECT_EQ(settings.all(), (std::vector<std::pair<std::string, std::string>>{{"sluice.master", "program"}}));
}

struct Refusal {
  const char *key, *value, *line;
};
TEST(Conf, EachBadSettingIsOneClearLine) {
  const Refusal refusals[] = {
      {"sluice.streaming.blockIntervall", "1s",
       "--conf: unknown key sluice.streaming.blockIntervall; did you mean sluice.streaming.blockInterval?"},
      {"sluice.executor.mem", "1g", "--conf: unknown key sluice.executor.mem; did you mean sluice.executor.memory?"},
      {"sluice.quite.another.thing.altogether", "1",
       "--conf: unknown key sluice.quite.another.thing.altogether; --help conf lists all keys"},
      {"sluice.streaming.blockInterval", "soon",
       "--conf: sluice.streaming.blockInterval=soon is not a time; write a number and a unit, such as 200ms, 2s or 1m"},
      {"sluice.streaming.blockInterval", "0ms", "--conf: sluice.streaming.blockInterval=0ms is no time between blocks; it must be above 0"},
      {"sluice.executor.memory", "big",
       "--conf: sluice.executor.memory=big is not a size; write a number and a unit, such as 512m or 1g"},
      {"sluice.task.maxFailures", "0", "--conf: sluice.task.maxFailures=0 is not a positive whole number"},
      {"sluice.task.maxFailures", "2.5", "--conf: sluice.task.maxFailures=2.5 is not a positive whole number"},
      {"sluice.streaming.backpressure.pid.integral", "-1", "--conf: sluice.streaming.backpressure.pid.integral=-1 is not a number from 0 on"},
      {"sluice.streaming.backpressure.pid.minRate", "0", "--conf: sluice.streaming.backpressure.pid.minRate=0 is not a number above 0"},
      {"sluice.streaming.backpressure.pid.derived", "much", "--conf: sluice.streaming.backpressure.pid.derived=much is not a number from 0 on"},
      {"sluice.streaming.backpressure.rateEstimator", "x", "--conf: sluice.streaming.backpressure.rateEstimator=x is not pid"},
      {"sluice.authenticate.secret", "hunter2", "--conf: unknown key sluice.authenticate.secret; did you mean sluice.authenticate.secret.file?"},
      {"sluice.authenticate.secret.flie", "/x", "--conf: unknown key sluice.authenticate.secret.flie; did you mean sluice.authenticate.secret.file?"},
      {"sluice.authenticate.secret.file", "", "--conf: sluice.authenticate.secret.file is empty; name a file, or say sluice.authenticate=false"},
      {"sluice.local.isolate", "maybe", "--conf: sluice.local.isolate=maybe is neither true nor false"},
      {"sluice.scheduler.mode", "LIFO", "--conf: sluice.scheduler.mode=LIFO is not FIFO or FAIR"},
      {"sluice.scheduler.pool.web.mode", "x", "--conf: sluice.scheduler.pool.web.mode=x is not FIFO or FAIR"},
      {"sluice.scheduler.pool.web.weight", "0", "--conf: sluice.scheduler.pool.web.weight=0 is not a positive whole number"},
      {"sluice.scheduler.pool.web.minShare", "-1", "--conf: sluice.scheduler.pool.web.minShare=-1 is not a whole number from 0 on"},
      {"spark.scheduler.mode", "FAIR", "--conf: spark.scheduler.mode is Spark's name; write sluice.scheduler.mode"},
      {"spark.scheduler.allocation.file", "pools.xml",
       "--conf: spark.scheduler.allocation.file has no counterpart here (pools are set by sluice.scheduler.pool.NAME.weight, .minShare and "
       ".mode); remove it"},
      {"spark.cores.max", "4", "--conf: spark.cores.max is Spark's name; write sluice.cores.max"},
      {"spark.serializer", "x",
       "--conf: spark.serializer has no counterpart here (records are encoded by their types); remove it"},
  };
  for (const auto& refusal : refusals) {
    Settings settings;
    auto status = settings.set(refusal.key, refusal.value, ConfOrigin::kFlag, "--conf");
    EXPECT_EQ(message(status), refusal.line);
    EXPECT_TRUE(settings.all().empty());
  }
  Settings settings;
  EXPECT_EQ(message(settings.setPair("sluice.master", ConfOrigin::kFlag, "--conf")),
            "--conf: \"sluice.master\" is not of the form key=value");
}

TEST(Conf, SomeNamesHoldAWordOfTheUsers) {
  Settings settings;
  for (const char* pair : {"sluice.scheduler.pool.web.weight=2", "sluice.scheduler.pool.web.minShare=0", "sluice.scheduler.pool.my-pool.mode=fair",
                           "sluice.scheduler.mode=fair"}) {
    EXPECT_EQ(message(settings.setPair(pair, ConfOrigin::kFlag)), "") << pair;
  }
  EXPECT_EQ(settings.text("sluice.scheduler.pool.web.weight"), "2");
  EXPECT_EQ(settings.text("sluice.scheduler.pool.other.weight"), "1") << "the standard";
  EXPECT_EQ(settings.text("sluice.scheduler.pool.other.mode"), "FIFO");
  EXPECT_NE(message(settings.setPair("sluice.scheduler.pool..weight=2", ConfOrigin::kFlag)), "");
  EXPECT_NE(message(settings.setPair("sluice.scheduler.pool.a.b.weight=2", ConfOrigin::kFlag)), "");
  EXPECT_TRUE(isWord(" Fair", "FAIR"));
  EXPECT_FALSE(isWord("FAIRLY", "FAIR"));
  EXPECT_FALSE(isWord("", "FAIR"));
}

TEST(Conf, OtherKeysAndSparksWithoutMeaningAreIgnoredWithAWarning) {
  Settings settings;
  EXPECT_TRUE(settings.set("my.own.key", "1", ConfOrigin::kFlag, "--conf").ok());
  EXPECT_TRUE(settings.set("executor.memory", "1g", ConfOrigin::kFlag, "--conf").ok());
  EXPECT_TRUE(settings.set("sluice.serializer", "kryo", ConfOrigin::kFlag, "--conf").ok());
  EXPECT_TRUE(settings.set("sluice.shuffle.compress", "true", ConfOrigin::kFlag).ok());
  EXPECT_TRUE(settings.set("sluice.port.maxRetries", "16", ConfOrigin::kFlag).ok());
  EXPECT_TRUE(settings.set("sluice.streaming.minRememberDuration", "60s", ConfOrigin::kFlag).ok());
  EXPECT_EQ(settings.warnings(),
            (std::vector<std::string>{"--conf: my.own.key is ignored: keys of Sluice begin with sluice.",
                                      "--conf: executor.memory is ignored: keys of Sluice begin with sluice.; did you mean sluice.executor.memory?",
                                      "--conf: sluice.serializer is ignored: records are encoded by their types",
                                      "sluice.shuffle.compress is ignored: nothing else can be set of shuffles",
                                      "sluice.port.maxRetries is ignored: a port that is in use is an error; name another one, or 0 for any that is free",
                                      "sluice.streaming.minRememberDuration is ignored: use sluice.streaming.fileStream.minRememberDuration"}));
  EXPECT_TRUE(settings.all().empty());
}

TEST(Conf, PropertiesFiles) {
  std::string path = testing::TempDir() + "sluice-conf-test.conf";
  std::ofstream(path)
      << "# a comment\n! another\n\nsluice.master   sluice://host:7077\nsluice.cores.max=4\nsluice.app.name: a b c  \n";
  Settings settings;
  EXPECT_EQ(message(settings.readFile(path)), "");
  EXPECT_EQ(settings.get(conf::kMaster), "sluice://host:7077");
  EXPECT_EQ(settings.get(conf::kCoresMax), 4);
  EXPECT_EQ(settings.get(conf::kAppName), "a b c");
  std::ofstream(path) << "\nsluice.cores.max many\n";
  EXPECT_EQ(message(settings.readFile(path)), path + ":2: sluice.cores.max=many is not a positive whole number");
  std::ofstream(path) << "alone\n";
  EXPECT_EQ(message(settings.readFile(path)), path + ":1: \"alone\" is not of the form key value");
  std::remove(path.c_str());
  EXPECT_EQ(message(settings.readFile(path)), "cannot read " + path + ": No such file or directory");
}

}  // namespace
}  // namespace sluice
