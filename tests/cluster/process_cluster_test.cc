// Applications on a real master and real workers: word counts by socket, executors and drivers that are killed, orderly ends.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "tests/cluster/program.h"
#include "tests/cluster/text_source.h"

namespace sluice::testing {
namespace {

namespace fs = std::filesystem;
using Counts = std::map<std::string, long>;

// Adds a printed pair, "(word,3)"; false: the line is none.
bool addPair(const std::string& line, Counts& counts) {
  auto comma = line.rfind(',');
  if (line.size() < 5 || line.front() != '(' || line.back() != ')' || comma == std::string::npos) return false;
  counts[line.substr(1, comma - 1)] += std::stol(line.substr(comma + 1));
  return true;
}

Counts sum(const std::vector<std::string>& lines) {
  Counts counts;
  for (const auto& line : lines) addPair(line, counts);
  return counts;
}

// Children of a process that run this program (zombies do not count).
std::vector<pid_t> childrenOf(pid_t parent, const std::string& program) {
  std::vector<pid_t> found;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator("/proc", ignored)) {
    std::string pid = entry.path().filename();
    if (pid.find_first_not_of("0123456789") != std::string::npos) continue;
    std::ifstream stat(entry.path() / "stat");
    std::string text;
    std::getline(stat, text, '\0');  // an iterator of the buffer would throw for a process that is going
    auto end = text.rfind(')');
    if (end == std::string::npos) continue;
    char state = 0;
    int above = 0;
    if (std::sscanf(text.c_str() + end + 1, " %c %d", &state, &above) != 2 || state == 'Z' || above != parent) continue;
    if (fs::read_symlink(entry.path() / "exe", ignored).filename() == program) found.push_back(pid_t(std::stol(pid)));
  }
  return found;
}

// A master and three workers on loopback, each worker a host of its own.
class ProcessCluster : public ::testing::Test {
 protected:
  // `environment`: of the daemons.
  explicit ProcessCluster(std::vector<std::pair<std::string, std::string>> environment = {})
      : master_({"sluice-master", "--port", "0", "--work-dir", folder_.path("master")}, environment), url_(master_.waitForLine("sluice://")) {
    for (int i = 1; i <= 3; ++i) {
      std::string n = std::to_string(i);
      workers_.push_back(std::make_unique<Program>(std::vector<std::string>{"sluice-worker", "--host", "127.0.0." + n, "--cores", "2", "--memory", "512m",
                                                                            "--work-dir", folder_.path("worker" + n), url_},
                                                   environment));
    }
    for (auto& worker : workers_) worker->waitForLine("registered with ");
  }
  std::vector<std::string> wordCount(std::vector<std::string> flags = {}) const {
    std::vector<std::string> words = {"sluice-submit", "--master", url_, "--class", "NetworkWordCount"};
    words.insert(words.end(), flags.begin(), flags.end());
    words.insert(words.end(), {libFolder() + "/libsluice_examples.so", "127.0.0.1", std::to_string(source_.port())});
    return words;
  }
  std::vector<std::pair<std::string, std::string>> cache() const { return {{"XDG_CACHE_HOME", folder_.path("cache")}}; }
  std::vector<pid_t> executors() const {
    std::vector<pid_t> all;
    for (const auto& worker : workers_) {
      auto some = childrenOf(worker->pid(), "sluice-executor");
      all.insert(all.end(), some.begin(), some.end());
    }
    return all;
  }
  // Waits until the driver has printed this much of every word.
  static void waitForCounts(Program& driver, const Counts& wanted) {
    Counts counts;
    std::size_t from = 0;
    while (true) {
      bool reached = true;
      for (const auto& [word, count] : wanted) reached = reached && counts[word] >= count;
      if (reached) return;
      std::size_t at = 0;
      std::string line = driver.waitForLine([](const std::string& text) { return !text.empty() && text[0] == '('; }, from, &at);
      addPair(line, counts);
      from = at + 1;
    }
  }
  // Waits until the application's log at the master holds this much.
  void waitForLog(const std::string& app, const Counts& wanted) const {
    std::string path = folder_.path("master/apps/" + app + "/out");
    for (int tries = 0; tries < 1200; ++tries) {
      std::ifstream file(path);
      std::vector<std::string> lines;
      for (std::string line; std::getline(file, line);) lines.push_back(line);
      Counts counts = sum(lines);
      bool reached = true;
      for (const auto& [word, count] : wanted) reached = reached && counts[word] >= count;
      if (reached) {
        EXPECT_EQ(counts, wanted);
        return;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(100));  // a file does not call back
    }
    FAIL() << path << " never held it";
  }

  TestFolder folder_;
  TextSource source_;
  Program master_;
  std::string url_;
  std::vector<std::unique_ptr<Program>> workers_;
};

TEST_F(ProcessCluster, CountsWordsAndDrainsOnCtrlC) {
  Program driver(wordCount(), cache());
  source_.waitForConnection();
  source_.send("a b a\n");
  waitForCounts(driver, {{"a", 2}, {"b", 1}});
  EXPECT_EQ(executors().size(), 3u);
  auto list = finish({"sluice-ctl", "--master", url_, "list"});
  ASSERT_EQ(list.lines.size(), 4u) << list.error();
  EXPECT_NE(list.lines[0].find(" RUNNING NetworkWordCount, 3 executors"), std::string::npos) << list.lines[0];
  EXPECT_NE(list.lines[1].find(" ALIVE 2/2 slots, 512/512 MB"), std::string::npos) << list.lines[1];
  auto metrics = finish({"sluice-ctl", "--master", url_, "metrics"});
  auto has = [&](const std::string& line) { return std::find(metrics.lines.begin(), metrics.lines.end(), line) != metrics.lines.end(); };
  EXPECT_TRUE(has("sluice_executors 3") && has("sluice_workers 3") && has("sluice_applications 1")) << metrics.error();
  EXPECT_FALSE(has("sluice_batches_decided_total 0")) << "a batch was printed";
  source_.send("c c d\nlast\n");
  source_.waitUntilRead();
  driver.signal(SIGINT);
  EXPECT_EQ(driver.wait(), 0) << driver.describe();
  driver.drain();
  EXPECT_EQ(sum(driver.lines()), (Counts{{"a", 2}, {"b", 1}, {"c", 2}, {"d", 1}, {"last", 1}})) << "the last batch is printed before the end";
  for (auto& worker : workers_) worker->signal(SIGTERM);
  for (auto& worker : workers_) EXPECT_EQ(worker->wait(), 0);
  EXPECT_TRUE(executors().empty());
}

TEST_F(ProcessCluster, KilledExecutorChangesNoCount) {
  Program driver(wordCount(), cache());
  source_.waitForConnection();
  Counts wanted;
  auto send = [&] {
    source_.send("a b a c\n");
    wanted["a"] += 2, wanted["b"] += 1, wanted["c"] += 1;
  };
  for (int i = 0; i < 200; ++i) send();
  waitForCounts(driver, {{"a", 2}});
  // One that does not read the socket: what it had received but not stored yet would be lost with it.
  pid_t reader = source_.reader(), victim = 0;
  for (pid_t pid : executors()) {
    if (pid != reader) victim = pid;
  }
  ASSERT_NE(victim, 0);
  for (int i = 0; i < 200; ++i) send();
  ::kill(victim, SIGKILL);
  for (int i = 0; i < 200; ++i) send();
  waitForCounts(driver, wanted);
  driver.signal(SIGTERM);
  EXPECT_EQ(driver.wait(), 0) << driver.describe();
  driver.drain();
  EXPECT_EQ(sum(driver.lines()), wanted) << driver.describe();
  auto errors = driver.errors();
  EXPECT_TRUE(std::any_of(errors.begin(), errors.end(), [](const auto& line) {
    return line.rfind("sluice: executor ", 0) == 0 && line.find("is gone: killed by signal 9") != std::string::npos;
  })) << "the driver is told\n" << driver.describe();
}

// A cluster whose processes share a secret.
class SecretCluster : public ProcessCluster {
 protected:
  using Variables = std::vector<std::pair<std::string, std::string>>;
  SecretCluster() : ProcessCluster(secret()) {}
  static Variables secret() {
    static const TestFolder folder;
    std::string path = folder.write("secret", "correct horse battery staple\n");
    ::chmod(path.c_str(), 0600);
    return {{"SLUICE_AUTHENTICATE_SECRET_FILE", path}};
  }
  Variables known() const {
    Variables all = secret();
    all.push_back(cache()[0]);
    return all;
  }
};

TEST_F(SecretCluster, OnlyWhoKnowsTheSecretRunsApplications) {
  auto refused = finish(wordCount(), cache());
  EXPECT_EQ(refused.code, 3) << refused.error();
  EXPECT_NE(refused.error().find("if it asks for a secret, name the file (sluice.authenticate.secret.file)"), std::string::npos) << refused.error();
  // Client mode: shuffles between executors, too.
  {
    Program driver(wordCount(), known());
    source_.waitForConnection();
    source_.send("x y x\n");
    waitForCounts(driver, {{"x", 2}, {"y", 1}});
    driver.signal(SIGTERM);
    EXPECT_EQ(driver.wait(), 0) << driver.describe();
  }
  // In cluster mode the driver has it from its worker, and where the submitter keeps it is of no interest there.
  auto submitted = finish(wordCount({"--deploy-mode", "cluster", "--conf", "sluice.authenticate.secret.file=" + secret()[0].second}), cache());
  ASSERT_EQ(submitted.code, 0) << submitted.error();
  std::string driver = submitted.lines.at(0);
  source_.waitForConnection(2);
  source_.send("a b a\n");
  waitForLog("app" + driver.substr(driver.find('-')), {{"a", 2}, {"b", 1}});
  auto killed = finish({"sluice-submit", "--master", url_, "--kill", driver}, known());
  EXPECT_EQ(killed.code, 0) << killed.error();
  auto list = finish({"sluice-ctl", "--master", url_, "list"}, known());
  EXPECT_EQ(list.code, 0) << list.error();
}

TEST(LocalCluster, MayHaveASecret) {
  TestFolder folder;
  folder.write("text/a.txt", "one two two\n");
  std::string secret = folder.write("secret", "correct horse battery staple\n");
  ::chmod(secret.c_str(), 0600);
  auto end = finish({"sluice-submit", "--master", "local-cluster[2,1,256]", "--conf", "sluice.authenticate.secret.file=" + secret, "--class", "WordCount",
                     libFolder() + "/libsluice_examples.so", folder.path("text"), folder.path("out")},
                    {{"XDG_CACHE_HOME", folder.path("cache")}});
  EXPECT_EQ(end.code, 0) << end.error();
  EXPECT_EQ(end.lines, (std::vector<std::string>{"two: 2", "one: 1"}));
}

// The disk fails under the master's log of facts, after some batches.
class FailingJournal : public ProcessCluster, public ::testing::WithParamInterface<const char*> {
 protected:
  FailingJournal() : ProcessCluster({{"SLUICE_FAIL_POINTS", std::string("journal.before_sync=14:fail") + GetParam()}}) {}
};
// The next master begins from records, or from a snapshot as it was after any event.
INSTANTIATE_TEST_SUITE_P(, FailingJournal, ::testing::Values("", ";master.snapshot=fail*"), [](const auto& param) {
  return std::string(*param.param ? "WithSnapshots" : "WithoutSnapshot");
});

TEST_P(FailingJournal, EndsTheMasterWithOneLineAndTheNextGoesOn) {
  Program driver(wordCount(), cache());
  source_.waitForConnection();
  source_.send("x y x\n");
  waitForCounts(driver, {{"x", 2}, {"y", 1}});
  EXPECT_EQ(master_.wait(), 1);
  master_.drain();
  auto errors = master_.errors();
  ASSERT_FALSE(errors.empty());
  EXPECT_EQ(errors.back().rfind("sluice-master: ", 0), 0u) << master_.describe();
  EXPECT_NE(errors.back().find("Input/output error"), std::string::npos) << master_.describe();
  Program next({"sluice-master", "--port", url_.substr(url_.rfind(':') + 1), "--work-dir", folder_.path("master")});
  next.waitForLine("sluice://");  // executors and receivers go on as if nothing had been
  EXPECT_EQ(next.describe().find(", from a snapshot at ") != std::string::npos, *GetParam() != 0) << next.describe();
  source_.send("x z\n");
  waitForCounts(driver, {{"x", 3}, {"y", 1}, {"z", 1}});
  driver.signal(SIGTERM);
  EXPECT_EQ(driver.wait(), 0) << driver.describe();
  driver.drain();
  EXPECT_EQ(sum(driver.lines()), (Counts{{"x", 3}, {"y", 1}, {"z", 1}})) << driver.describe();
}

TEST_F(ProcessCluster, TasksHaveTheResourcesOfTheirWorker) {
  std::string script = folder_.write("gpus", "#!/bin/sh\necho '{\"name\": \"gpu\", \"addresses\": [\"a\", \"b\", \"c\"]}'\n");
  ::chmod(script.c_str(), 0700);
  Program equipped({"sluice-worker", "--host", "127.0.0.4", "--cores", "4", "--memory", "512m", "--work-dir", folder_.path("worker4"), "--conf",
                    "sluice.worker.resource.gpu.amount=3", "--conf", "sluice.worker.resource.gpu.discoveryScript=" + script, url_});
  equipped.waitForLine("registered with ");
  auto end = finish({"sluice-submit", "--master", url_, "--conf", "sluice.executor.resource.gpu.amount=2", "--conf", "sluice.task.resource.gpu.amount=1", "--class",
                     "ShowsResources", libFolder() + "/libcli_applications.so"},
                    cache());
  EXPECT_EQ(end.code, 0) << end.error();
  EXPECT_EQ(end.lines, (std::vector<std::string>{"a", "b", "at once: 2"})) << end.error();
}

TEST_F(ProcessCluster, KilledReceiverStartsElsewhere) {
  Program driver(wordCount(), cache());
  source_.waitForConnection();
  source_.send("before before\n");
  waitForCounts(driver, {{"before", 2}});
  pid_t reader = source_.reader();
  ASSERT_NE(reader, 0);
  ::kill(reader, SIGKILL);
  source_.waitForConnection(2);
  source_.send("after\n");
  waitForCounts(driver, {{"before", 2}, {"after", 1}});
  driver.signal(SIGTERM);
  EXPECT_EQ(driver.wait(), 0) << driver.describe();
  driver.drain();
  EXPECT_EQ(sum(driver.lines()), (Counts{{"before", 2}, {"after", 1}}));
}

TEST_F(ProcessCluster, StreamOutlivesItsDriverInClusterMode) {
  auto submitted = finish(wordCount({"--deploy-mode", "cluster", "--supervise"}), cache());
  ASSERT_EQ(submitted.code, 0) << submitted.error();
  ASSERT_EQ(submitted.lines.size(), 1u);
  std::string driver = submitted.lines[0], app = "app" + driver.substr(driver.find('-'));
  source_.waitForConnection();
  source_.send("x y x\n");
  waitForLog(app, {{"x", 2}, {"y", 1}});
  pid_t pid = 0;
  for (const auto& worker : workers_) {
    for (pid_t child : childrenOf(worker->pid(), "sluice-submit")) pid = child;
  }
  ASSERT_NE(pid, 0);
  ::kill(pid, SIGKILL);
  source_.send("x z\n");
  waitForLog(app, {{"x", 3}, {"y", 1}, {"z", 1}});
  auto status = finish({"sluice-submit", "--master", url_, "--status", driver});
  EXPECT_EQ(status.code, 0) << status.error();
  auto killed = finish({"sluice-submit", "--master", url_, "--kill", driver});
  EXPECT_EQ(killed.code, 0) << killed.error();
  auto after = finish({"sluice-submit", "--master", url_, "--status", driver});
  ASSERT_EQ(after.lines.size(), 1u) << after.error();
  EXPECT_EQ(after.lines[0].rfind(driver + " KILLED", 0), 0u) << after.lines[0];
}

TEST(LocalCluster, RunsABatchJobAndLeavesNothing) {
  TestFolder folder;
  folder.write("text/a.txt", "one two two\n");
  folder.write("text/b.txt", "two three three\n");
  auto end = finish({"sluice-submit", "--master", "local-cluster[3,2,512]", "--conf", "sluice.local.dir=" + folder.path("local"), "--class", "WordCount",
                     libFolder() + "/libsluice_examples.so", folder.path("text"), folder.path("out")},
                    {{"XDG_CACHE_HOME", folder.path("cache")}});
  ASSERT_EQ(end.code, 0) << end.error();
  ASSERT_EQ(end.lines.size(), 3u);
  EXPECT_EQ(end.lines[0], "two: 3");
  EXPECT_EQ(end.lines[1], "three: 2");
  EXPECT_EQ(end.lines[2], "one: 1");
  EXPECT_TRUE(fs::exists(folder.path("out/_SUCCESS")));
  EXPECT_TRUE(!fs::exists(folder.path("local")) || fs::is_empty(folder.path("local")));
}

TEST(LocalCluster, AnExecutableIsItsOwnExecutor) {
  TestFolder folder;
  for (const char* master : {"local[2]", "local-cluster[2,1,256]"}) {
    // gRPC's threads still run when main returns; LeakSanitizer's tracer trips over one that ends meanwhile.
    auto end = finish({binFolder() + "/../" OWN_EXECUTOR, master}, {{"XDG_CACHE_HOME", folder.path("cache")}, {"LSAN_OPTIONS", "detect_leaks=0"}});
    ASSERT_EQ(end.code, 0) << end.error();
    EXPECT_EQ(end.lines, std::vector<std::string>{"10 keys, 200 each"});
  }
}

}  // namespace
}  // namespace sluice::testing
