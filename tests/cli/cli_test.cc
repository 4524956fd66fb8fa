// What each mistake on a command line says, and with which code the program ends: 0 ok, 1 failed, 2 usage, 3 no cluster, 5 not found.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "tests/cluster/program.h"
#include "tests/streams/archive_maker.h"

namespace sluice::testing {
namespace {

using Words = std::vector<std::string>;

std::string library(const std::string& name) { return libFolder() + "/lib" + name + ".so"; }

// A cache of its own for each test program, so that nothing is left in the user's.
const std::pair<std::string, std::string>& cache() {
  static TestFolder folder;
  static const std::pair<std::string, std::string> variable{"XDG_CACHE_HOME", folder.path()};
  return variable;
}

Finished submit(Words words, std::vector<std::pair<std::string, std::string>> environment = {}) {
  words.insert(words.begin(), "sluice-submit");
  environment.push_back(cache());
  return finish(words, environment);
}

// One line of errors, exactly this, and the code.
void expectError(const Finished& end, int code, const std::string& line) {
  EXPECT_EQ(end.error(), line);
  EXPECT_EQ(end.code, code);
}
// One line of errors that holds these pieces.
void expectErrorWith(const Finished& end, int code, const Words& pieces) {
  EXPECT_EQ(end.errors.size(), 1u) << end.error();
  for (const auto& piece : pieces) EXPECT_NE(end.error().find(piece), std::string::npos) << end.error() << "\nlacks: " << piece;
  EXPECT_EQ(end.code, code);
}

// A program that tells of these addresses.
std::string discoveryScript(const TestFolder& folder, const std::string& name, const std::string& addresses) {
  std::string path = folder.write(name + "-script", "#!/bin/sh\necho '{\"name\": \"" + name + "\", \"addresses\": [" + addresses + "]}'\n");
  ::chmod(path.c_str(), 0700);
  return path;
}

TEST(TaskResources, InLocalModeAScriptFindsThem) {
  TestFolder folder;
  std::string script = discoveryScript(folder, "gpu", "\"0\", \"1\", \"2\"");
  Words words{"--master", "local[4]", "--conf", "sluice.executor.resource.gpu.amount=2", "--conf", "sluice.task.resource.gpu.amount=1", "--class", "ShowsResources"};
  auto with = [&](Words more) {
    more.insert(more.begin(), words.begin(), words.end());
    more.push_back(library("cli_applications"));
    return submit(more);
  };
  auto end = with({"--conf", "sluice.executor.resource.gpu.discoveryScript=" + script, "--conf", "sluice.driver.resource.gpu.amount=1", "--conf",
                   "sluice.driver.resource.gpu.discoveryScript=" + script});
  EXPECT_EQ(end.code, 0) << end.error();
  EXPECT_EQ(end.lines, (Words{"0", "1", "at once: 2", "driver: gpu 0"})) << end.error();
  expectErrorWith(with({}), 1, {"sluice.executor.resource.gpu.amount is set, and nothing says which they are; name a program by sluice.executor.resource.gpu.discoveryScript"});
  expectErrorWith(with({"--conf", "sluice.task.resource.fpga.amount=1"}), 1, {"sluice.task.resource.fpga.amount=1, but executors have none; set sluice.executor.resource.fpga.amount"});
}

// ---- flags ----

TEST(Flags, UnknownOnesNameTheNearest) {
  expectError(submit({"--clas", "Pi", "x.so"}), 2, "sluice-submit: unknown flag --clas; did you mean --class?");
  expectError(submit({"--frobnicate"}), 2, "sluice-submit: unknown flag --frobnicate; sluice-submit --help lists the flags");
  expectError(finish({"sluice-master", "--prot", "1"}), 2, "sluice-master: unknown flag --prot; did you mean --port?");
  expectError(finish({"sluice-worker", "--core=4"}), 2, "sluice-worker: unknown flag --core; did you mean --cores?");
  expectError(finish({"sluice-ctl", "--mastr", "x", "list"}), 2, "sluice-ctl: unknown flag --mastr; did you mean --master?");
}

TEST(Flags, OfSparkWithoutMeaningSaySo) {
  expectError(submit({"--jars", "a.jar", "x.so"}), 2, "sluice-submit: --jars has no meaning here: ship libraries with --files");
}

TEST(Flags, VerboseShowsNoSecrets) {
  auto end = submit({"--verbose", "--master", "local[1]", "--conf", "sluice.redaction.regex=password|local.dir", "--conf", "sluice.local.dir=/tmp/sluice-secret", "--class",
                     "PrintsArguments", library("cli_applications"), "db.Password=hunter2", "name=value"});
  EXPECT_EQ(end.code, 0) << end.error();
  auto said = [&](const std::string& line) { return std::find(end.errors.begin(), end.errors.end(), line) != end.errors.end(); };
  EXPECT_TRUE(said("sluice.local.dir=*********(redacted)")) << end.error();
  EXPECT_TRUE(said("argument 1: db.Password=*********(redacted)")) << end.error();
  EXPECT_TRUE(said("argument 2: name=value")) << end.error();
  EXPECT_TRUE(said("sluice.redaction.regex=password|local.dir")) << end.error();
  EXPECT_EQ(end.lines, (Words{"[db.Password=hunter2]", "[name=value]"})) << "the application gets them as they are";
  expectError(submit({"--conf", "sluice.redaction.regex=(", library("cli_applications")}), 2,
              "sluice-submit: --conf: sluice.redaction.regex=( is no regular expression (ECMAScript's)");
}

TEST(Flags, HelpAndVersion) {
  auto help = submit({"--help"});
  EXPECT_EQ(help.code, 0);
  EXPECT_TRUE(help.errors.empty());
  auto conf = submit({"--help", "conf"});
  EXPECT_EQ(conf.code, 0);
  EXPECT_GT(conf.lines.size(), 10u);
  auto version = submit({"--version"});
  EXPECT_EQ(version.code, 0);
  ASSERT_EQ(version.lines.size(), 1u);
  EXPECT_EQ(version.lines[0].rfind("sluice-submit ", 0), 0u);
}

TEST(Flags, WordsAfterTheModuleAreTheApplications) {
  auto end = submit({"--master", "local[1]", "--class", "PrintsArguments", library("cli_applications"), "--class", "-x", "--conf=y", "--", "a b"});
  EXPECT_EQ(end.error(), "");
  EXPECT_EQ(end.lines, (Words{"[--class]", "[-x]", "[--conf=y]", "[--]", "[a b]"}));
  EXPECT_EQ(end.code, 0);
}

TEST(Flags, ArchivesReachTasks) {
  TestFolder own;
  std::string folder = own.path();
  std::ofstream(folder + "/data.tar", std::ios::binary) << testing::tarOf({{"words/first", "one\n"}});
  auto read = [&](const std::string& archives, const std::string& name) {
    return submit({"--master", "local[1]", "--archives", archives, "--class", "ReadsArchive", library("cli_applications"), name, "words/first"});
  };
  EXPECT_EQ(read(folder + "/data.tar", "data.tar").lines, Words{"one"});
  EXPECT_EQ(read(folder + "/data.tar#words", "words").lines, Words{"one"});
  expectErrorWith(read(folder + "/none.tar", "none.tar"), 1, {"addArchive: there is no file", "none.tar"});
}

TEST(Flags, MissingModule) {
  expectError(submit({"--master", "local[1]"}), 2, "sluice-submit: which module? give the path of the application's shared library; sluice-submit --help says more");
}

TEST(Flags, MalformedMasters) {
  expectErrorWith(submit({"--master", "local[0]", "x.so"}), 2, {"sluice-submit: master 'local[0]': ", "local-cluster[n,cores,memoryMb]"});
  expectErrorWith(submit({"--master", "spark://host:7077", "x.so"}), 2, {"sluice-submit: master 'spark://host:7077': "});
  expectErrorWith(submit({"--master", "sluice://host", "x.so"}), 2, {"sluice-submit: master 'sluice://host': ", "sluice://HOST:7077"});
  expectErrorWith(finish({"sluice-worker", "local[2]"}), 2, {"sluice-worker: 'local[2]' is no master to register with"});
}

TEST(Flags, ClusterModeNeedsACluster) {
  expectError(submit({"--deploy-mode", "cluster", "x.so"}), 2, "sluice-submit: --deploy-mode cluster needs a cluster: name it with --master sluice://HOST:PORT");
  expectError(submit({"--status", "app-1"}), 2, "sluice-submit: --status needs a cluster: name it with --master sluice://HOST:PORT");
  expectError(submit({"--deploy-mode", "klient", "x.so"}), 2, "sluice-submit: --deploy-mode is client or cluster, not 'klient'");
  expectError(submit({"--supervise", "x.so"}), 2, "sluice-submit: --supervise needs --deploy-mode cluster");
}

TEST(Flags, MemoryNeedsAUnit) {
  expectError(finish({"sluice-worker", "--memory", "512", "sluice://h:1"}), 2, "sluice-worker: --memory 512 needs a unit, as in 512m or 512g");
  expectError(finish({"sluice-worker", "--memory", "1m", "sluice://h:1"}), 2, "sluice-worker: --memory 1m is too little; a worker needs at least 64m");
  expectError(finish({"sluice-worker", "--memory", "lots", "sluice://h:1"}), 2, "sluice-worker: --memory 'lots' is no size; write it as 512m or 2g");
  expectErrorWith(finish({"sluice-worker", "--cores", "0", "sluice://h:1"}), 2, {"sluice-worker: ", "--cores", "range 1 to 65536"});
  expectErrorWith(finish({"sluice-master", "--port", "99999"}), 2, {"sluice-master: ", "--port", "range 0 to 65535"});
  expectError(finish({"sluice-submit", "--help", "cnf"}), 2, "sluice-submit: there is no help on 'cnf'; --help conf lists the settings");
  expectError(finish({"sluice-ctl", "list"}), 2, "sluice-ctl: which cluster? name it with --master sluice://HOST:PORT");
}

// ---- settings ----

TEST(Settings, BadValuesAndUnknownKeys) {
  expectErrorWith(submit({"--conf", "sluice.executor.memory=much", "x.so"}), 2, {"sluice-submit: --conf", "sluice.executor.memory", "much"});
  expectErrorWith(submit({"--conf", "sluice.executor.memori=1g", "x.so"}), 2, {"sluice.executor.memori", "sluice.executor.memory"});
  expectErrorWith(submit({"--conf", "nonsense", "x.so"}), 2, {"sluice-submit: --conf", "nonsense"});
  expectErrorWith(submit({"--executor-cores", "two", "x.so"}), 2, {"sluice-submit: --executor-cores", "two"});
  expectErrorWith(submit({"--properties-file", "/no/such/file", "x.so"}), 2, {"sluice-submit: ", "/no/such/file"});
}

TEST(Settings, FlagsWinOverFilesOverEnvironment) {
  TestFolder folder;
  std::string defaults = folder.write("sluice-defaults.conf", "sluice.executor.memory 300m\nsluice.executor.cores 3\n");
  auto value = [&](const std::string& key, Words flags) {
    flags.insert(flags.end(), {"--master", "local[1]", "--class", "PrintsSetting", library("cli_applications"), key});
    auto end = submit(flags, {{"SLUICE_CONF_DIR", folder.path()}, {"SLUICE_EXECUTOR_MEMORY", "200m"}, {"SLUICE_EXECUTOR_CORES", "2"}});
    return end.lines.empty() ? end.error() : end.lines[0];
  };
  EXPECT_EQ(value("sluice.executor.memory", {}), "300m");
  EXPECT_EQ(value("sluice.executor.memory", {"--executor-memory", "400m"}), "400m");
  EXPECT_EQ(value("sluice.executor.cores", {"--conf", "sluice.executor.cores=4"}), "4");
  folder.write("other.conf", "sluice.executor.memory=500m\n");
  EXPECT_EQ(value("sluice.executor.memory", {"--properties-file", folder.path("other.conf")}), "500m");
  EXPECT_EQ(value("sluice.executor.cores", {"--properties-file", folder.path("other.conf")}), "2");
}

// ---- modules ----

TEST(Modules, NotThere) {
  expectError(submit({"--master", "local[1]", "/no/libapp.so"}), 2,
              "sluice-submit: no such file: /no/libapp.so (give the path of the application's shared library)");
}

TEST(Modules, NoSharedLibrary) {
  TestFolder folder;
  std::string path = folder.write("libapp.so", "#!/bin/sh\n");
  expectError(submit({"--master", "local[1]", path}), 2,
              "sluice-submit: " + path + " is no shared library (it begins with \"#!/bin/s\"); build the application as a CMake MODULE library");
  folder.write("empty.so", "");
  expectErrorWith(submit({"--master", "local[1]", folder.path("empty.so")}), 2, {"is no shared library (it is empty)"});
}

TEST(Modules, NoApplicationInIt) {
  std::string path = library("cli_no_application");
  expectError(submit({"--master", "local[1]", path}), 2,
              "sluice-submit: " + path + " is a shared library, but holds no application: write SLUICE_APPLICATION(Name) { … } in it");
}

TEST(Modules, BuiltDifferently) {
  expectErrorWith(submit({"--master", "local[1]", library("cli_other_abi")}), 2, {"was built for another version of Sluice (its ABI is 99, this one's 1); build it again"});
  expectErrorWith(submit({"--master", "local[1]", library("cli_other_sanitizer")}), 2, {"was built with ", "Sanitizer", "; build it again"});
  expectErrorWith(submit({"--master", "local[1]", library("cli_other_strings")}), 2, {"was built with _GLIBCXX_USE_CXX11_ABI=7"});
}

TEST(Modules, LacksTheClass) {
  expectErrorWith(submit({"--master", "local[1]", "--class", "Nope", library("cli_applications")}), 2, {"class Nope is not in ", "which has: ", "PrintsArguments", "NoOutput"});
  expectErrorWith(submit({"--master", "local[1]", library("cli_applications")}), 2, {"several applications; name one with --class: "});
}

// ---- the application ----

Finished run(const std::string& name, Words words = {}, const std::string& master = "local[2]") {
  Words all = {"--master", master, "--class", name, library("cli_applications")};
  all.insert(all.end(), words.begin(), words.end());
  return submit(all);
}

TEST(Application, MissingAndWrongArguments) {
  expectErrorWith(run("NeedsArguments", {"1"}), 1, {"NeedsArguments: needs at least 2 arguments, not 1; usage: NeedsArguments LEFT RIGHT"});
  expectErrorWith(run("NeedsArguments", {"1", "x"}), 1, {"argument 2 is 'x', which is no whole number"});
}

TEST(Application, UncaughtException) { expectError(run("ThrowsOutsideSluice"), 1, "ThrowsOutsideSluice: the driver's own trouble"); }

TEST(Application, NoOutputOperation) { expectErrorWith(run("NoOutput"), 1, {"NoOutput: ", "output operation"}); }

TEST(Application, StartAfterStop) {
  auto end = run("StartAfterStop");
  EXPECT_EQ(end.code, 1);
  ASSERT_FALSE(end.errors.empty());  // the receiver may have said before that nobody listens
  EXPECT_EQ(end.errors.back().rfind("StartAfterStop: ", 0), 0u) << end.error();
  EXPECT_NE(end.errors.back().find("stopped"), std::string::npos) << end.error();
}

TEST(Application, SecondContext) { expectErrorWith(run("SecondContext"), 1, {"SecondContext: ", "only one Context", "applications.cc:"}); }

TEST(Application, CaptureByReference) { expectErrorWith(run("CapturesByReference"), 1, {"CapturesByReference: ", "filter", "applications.cc:"}); }

TEST(Application, ExceptionInAFunction) {
  auto end = run("UserException");
  EXPECT_EQ(end.code, 1);
  ASSERT_FALSE(end.errors.empty());  // what the engine logged comes before
  EXPECT_EQ(end.errors.back().rfind("UserException: map at applications.cc:", 0), 0u) << end.error();
  EXPECT_NE(end.errors.back().find("no forty-two"), std::string::npos) << end.error();
}

TEST(Application, SegfaultInAFunctionLocally) {
  auto end = run("UserSegfault");
  EXPECT_NE(end.code, 0);
  EXPECT_NE(end.error().find("map at applications.cc:"), std::string::npos) << end.error();
}

TEST(Application, SegfaultInAFunctionOnACluster) {
  auto end = run("UserSegfault", {}, "local-cluster[2,2,512]");
  // One line for each try, and the end.
  auto lost = std::remove_if(end.errors.begin(), end.errors.end(), [](const auto& line) {
    return line.rfind("sluice: executor ", 0) == 0 && line.find(" is gone: killed by signal 11") != std::string::npos;
  });
  EXPECT_EQ(end.errors.end() - lost, 4) << end.error();
  end.errors.erase(lost, end.errors.end());
  expectErrorWith(end, 1, {"UserSegfault: ", "segmentation fault in map at applications.cc:"});
}

TEST(Application, CtrlCEndsABatchJob) {
  for (int number : {SIGINT, SIGTERM}) {
    Program driver({"sluice-submit", "--master", "local[2]", "--class", "NeverEnds", library("cli_applications")});
    driver.waitForLine("running");
    driver.signal(number);
    EXPECT_EQ(driver.wait(), 128 + number) << driver.describe();
  }
}

// A stream that works on its first batch while more has come in, and is told to stop.
struct SlowStream {
  SlowStream(const std::string& ms, Words flags = {}) : driver([&] {
    Words words = {"sluice-submit", "--master", "local[2]", "--class", "SlowStream"};
    words.insert(words.end(), flags.begin(), flags.end());
    words.insert(words.end(), {library("cli_applications"), ms});
    return words;
  }()) {
    driver.waitForLine("working");
    driver.waitForLine("all received");
  }
  Program driver;
  bool said(const std::string& line) const {
    auto lines = driver.lines();
    return std::find(lines.begin(), lines.end(), line) != lines.end();
  }
};

std::int64_t newestCheckpoint(const std::string& directory) {
  std::int64_t newest = 0;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    std::string name = entry.path().filename();
    if (name.rfind("manifest-", 0) == 0 && entry.path().extension() != ".tmp") newest = std::max<std::int64_t>(newest, std::stoll(name.substr(9)));
  }
  return newest;
}

// Everything that ran in the one process is gone, and only the checkpoint knows what the window holds.
TEST(Application, AWindowOutlivesAKilledDriver) {
  TestFolder folder;
  const std::string in = folder.path("in"), checkpoint = folder.path("checkpoint");
  std::filesystem::create_directory(in);
  auto put = [&](const std::string& name, const std::string& text) { std::filesystem::rename(folder.write("aside-" + name, text), in + "/" + name); };
  const Words words{"sluice-submit", "--master", "local[2]", "--class", "CountsTheLastMinute", library("cli_applications"), in, checkpoint};
  auto isTwice = [](const std::string& line) { return line == "(a,2)"; };
  {
    Program driver(words);
    driver.waitForLine("Time: ");
    put("first", "a a\n");
    driver.waitForLine(isTwice);
    const std::int64_t seen = newestCheckpoint(checkpoint);
    for (int rounds = 0; rounds < 2; ++rounds) {  // one that was begun after the line
      std::int64_t before = newestCheckpoint(checkpoint);
      for (int tries = 0; newestCheckpoint(checkpoint) == before; ++tries) {
        ASSERT_LT(tries, 60'000) << driver.describe();
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
      }
    }
    EXPECT_GT(newestCheckpoint(checkpoint), seen);
    driver.signal(SIGKILL);
    EXPECT_EQ(driver.wait(), 128 + SIGKILL);
  }
  Program again(words);
  again.waitForLine(isTwice);
  put("second", "a\n");
  again.waitForLine([](const std::string& line) { return line == "(a,3)"; });
  again.signal(SIGTERM);
  EXPECT_EQ(again.wait(), 0) << again.describe();
}

TEST(Application, TheFirstSignalLetsAStreamFinish) {
  for (int number : {SIGINT, SIGTERM}) {
    SlowStream stream("600");
    stream.driver.signal(number);
    EXPECT_EQ(stream.driver.wait(), 0) << stream.driver.describe();
    EXPECT_TRUE(stream.said("seen 100")) << stream.driver.describe();
    EXPECT_TRUE(stream.said("ended"));
  }
}

TEST(Application, TheSecondSignalEndsItNow) {
  SlowStream stream("60000");
  stream.driver.signal(SIGTERM);
  // Two at once would be one.
  auto told = [&] {
    auto errors = stream.driver.errors();
    return std::any_of(errors.begin(), errors.end(), [](const std::string& line) { return line.find("a second signal ends it now") != std::string::npos; });
  };
  while (!told()) std::this_thread::yield();
  stream.driver.signal(SIGTERM);
  EXPECT_EQ(stream.driver.wait(), 128 + SIGTERM) << stream.driver.describe();
}

TEST(Application, TheFirstSignalDoesNotLetItFinishIfTheSettingsSaySo) {
  SlowStream stream("2500", {"--conf", "sluice.streaming.stopGracefullyOnShutdown=false"});
  stream.driver.signal(SIGTERM);
  EXPECT_EQ(stream.driver.wait(), 0) << stream.driver.describe();
  EXPECT_FALSE(stream.said("seen 100")) << stream.driver.describe();
  EXPECT_TRUE(stream.said("ended"));
}

TEST(Application, AGracefulStopHasADeadline) {
  SlowStream stream("1500", {"--conf", "sluice.streaming.gracefulStopTimeout=200ms"});
  stream.driver.signal(SIGTERM);
  EXPECT_EQ(stream.driver.wait(), 0) << stream.driver.describe();
  EXPECT_FALSE(stream.said("seen 100")) << stream.driver.describe();
  EXPECT_NE(stream.driver.describe().find("the graceful stop did not end within 200 ms"), std::string::npos) << stream.driver.describe();
}

// ---- clusters ----

TEST(Cluster, MasterThatIsNotThere) {
  auto end = run("UserException", {}, "sluice://127.0.0.1:1");
  expectErrorWith(end, 3, {"no master answers at 127.0.0.1:1", "is sluice-master running there?"});
  expectErrorWith(submit({"--master", "sluice://127.0.0.1:1", "--status", "app-1"}), 3, {"sluice-submit: no master answers at 127.0.0.1:1", "is sluice-master running there?"});
}

TEST(Cluster, UnknownSubmission) {
  TestFolder folder;
  Program master({"sluice-master", "--port", "0", "--work-dir", folder.path("master")});
  std::string url = master.waitForLine("sluice://");
  expectError(submit({"--master", url, "--status", "driver-1"}), 5, "sluice-submit: the master knows no submission driver-1");
  expectError(submit({"--master", url, "--kill", "driver-1"}), 5, "sluice-submit: the master knows no submission driver-1");
}

TEST(Cluster, PortInUse) {
  TestFolder folder;
  Program master({"sluice-master", "--port", "0", "--work-dir", folder.path("master")});
  std::string port = master.waitForLine("sluice://");
  port.erase(0, port.rfind(':') + 1);
  expectError(finish({"sluice-master", "--port", port, "--work-dir", folder.path("other")}), 1,
              "sluice-master: port " + port + " of 127.0.0.1 is in use; name another one, or 0 for any that is free");
}

TEST(Cluster, WorkDirectoryOfAnotherMaster) {
  TestFolder folder;
  Program master({"sluice-master", "--port", "0", "--work-dir", folder.path("master")});
  master.waitForLine("sluice://");
  expectError(finish({"sluice-master", "--port", "0", "--work-dir", folder.path("master")}), 1,
              "sluice-master: the work directory " + folder.path("master") + " is in use by another sluice-master; give each its own --work-dir");
}

TEST(Cluster, UnwritableWorkDirectory) {
  TestFolder folder;
  // Also root cannot make a folder below a file.
  std::string file = folder.write("file", "x");
  expectError(finish({"sluice-master", "--port", "0", "--work-dir", file + "/work"}), 1, "sluice-master: cannot make the work directory " + file + "/work: Not a directory");
  expectErrorWith(finish({"sluice-worker", "--work-dir", file + "/work", "sluice://127.0.0.1:1"}), 1, {"sluice-worker: cannot make the directory " + file + "/work"});
}

TEST(Cluster, ArchivesGoToTheDriverWithTheModule) {
  TestFolder folder;
  Program master({"sluice-master", "--port", "0", "--work-dir", folder.path("master")});
  std::string url = master.waitForLine("sluice://");
  auto submitting = [&](const std::string& archive, const std::string& name) {
    return std::make_unique<Program>(Words{"sluice-submit", "--master", url, "--deploy-mode", "cluster", "--conf", "sluice.submit.waitAppCompletion=true", "--archives",
                                           archive, "--class", "ReadsArchive", library("cli_applications"), name, "words/first", "one"},
                                     std::vector<std::pair<std::string, std::string>>{cache()});
  };
  expectErrorWith(submit({"--master", url, "--deploy-mode", "cluster", "--archives", folder.path("none.tar"), "--class", "ReadsArchive", library("cli_applications")}), 2,
                  {"sluice-submit: cannot read", "none.tar"});
  auto good = submitting(folder.write("data.tar", testing::tarOf({{"words/first", "one\n"}})) + "#words", "words");
  auto bad = submitting(folder.write("bad.tar", "this is no archive"), "bad.tar");
  good->waitForLine("driver-");
  bad->waitForLine("driver-");
  std::filesystem::remove(folder.path("data.tar"));  // the driver's machine has its own
  std::filesystem::remove(folder.path("bad.tar"));
  Program worker({"sluice-worker", "--cores", "1", "--memory", "512m", "--work-dir", folder.path("worker"), url});
  EXPECT_EQ(good->wait(), 0) << good->describe();
  EXPECT_EQ(bad->wait(), 1) << bad->describe();
  bad->drain();
  ASSERT_EQ(bad->errors().size(), 1u) << bad->describe();
  EXPECT_NE(bad->errors()[0].find("FAILED"), std::string::npos) << bad->errors()[0];
  EXPECT_NE(bad->errors()[0].find("addArchive: bad.tar: it is no archive"), std::string::npos) << bad->errors()[0];
}

TEST(Cluster, DaemonsEndOnSigterm) {
  TestFolder folder;
  Program master({"sluice-master", "--port", "0", "--work-dir", folder.path("master")});
  Program worker({"sluice-worker", "--cores", "1", "--memory", "512m", "--work-dir", folder.path("worker"), master.waitForLine("sluice://")});
  worker.waitForLine("registered with sluice://");
  worker.signal(SIGTERM);
  EXPECT_EQ(worker.wait(), 0);
  master.signal(SIGTERM);
  EXPECT_EQ(master.wait(), 0);
}

}  // namespace
}  // namespace sluice::testing
