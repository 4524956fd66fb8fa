// Each example as its user runs it, with sluice-submit and --class.
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "tests/cluster/program.h"
#include "tests/cluster/text_source.h"

namespace sluice::testing {
namespace {

const std::string kDashes = "-------------------------------------------";

std::vector<std::string> example(const std::string& master, const std::string& name, std::vector<std::string> arguments = {}) {
  std::vector<std::string> words = {"sluice-submit", "--master", master, "--class", name, libFolder() + "/libsluice_examples.so"};
  words.insert(words.end(), arguments.begin(), arguments.end());
  return words;
}

class Examples : public ::testing::Test {
 protected:
  std::vector<std::pair<std::string, std::string>> cache() const { return {{"XDG_CACHE_HOME", folder_.path("cache")}}; }
  // Runs a stream of the source's lines, and ends it in order.
  void stream(const std::string& name, std::vector<std::string> rest, const std::vector<std::pair<std::string, std::string>>& sentAndPrinted) {
    std::vector<std::string> arguments = {"127.0.0.1", std::to_string(source_.port())};
    arguments.insert(arguments.end(), rest.begin(), rest.end());
    Program driver(example("local[2]", name, arguments));
    source_.waitForConnection();
    std::size_t from = 0;
    for (const auto& [sent, printed] : sentAndPrinted) {
      if (!sent.empty()) source_.send(sent);
      driver.waitForLine([&](const std::string& line) { return line == printed; }, from, &from);
    }
    driver.signal(SIGINT);
    EXPECT_EQ(driver.wait(), 0) << driver.describe();
  }

  TestFolder folder_;
  TextSource source_;
};

TEST_F(Examples, NetworkWordCountPrintsAsSparkDoes) {
  Program driver(example("local[2]", "NetworkWordCount", {"127.0.0.1", std::to_string(source_.port())}));
  source_.waitForConnection();
  source_.send("hello world hello\n");
  std::size_t at = 0;
  driver.waitForLine([](const std::string& line) { return line.rfind("(", 0) == 0; }, 0, &at);
  driver.waitForLine([](const std::string& line) { return line.empty(); }, at);
  auto lines = driver.lines();
  ASSERT_GE(at, 3u);
  EXPECT_EQ(lines[at - 3], kDashes);
  EXPECT_EQ(lines[at - 2].rfind("Time: ", 0), 0u) << lines[at - 2];
  EXPECT_EQ(lines[at - 2].substr(lines[at - 2].size() - 6), "000 ms") << "a second's batch";
  EXPECT_EQ(lines[at - 1], kDashes);
  std::vector<std::string> pairs(lines.begin() + long(at), lines.begin() + long(at) + 2);
  std::sort(pairs.begin(), pairs.end());
  EXPECT_EQ(pairs, (std::vector<std::string>{"(hello,2)", "(world,1)"}));
  EXPECT_EQ(lines[at + 2], "");
  driver.signal(SIGINT);
  EXPECT_EQ(driver.wait(), 0) << driver.describe();
}

TEST_F(Examples, StatefulNetworkWordCountGoesOnFromItsCheckpoint) {
  stream("StatefulNetworkWordCount", {folder_.path("checkpoint")}, {{"a b a\n", "(a,2)"}, {"a\n", "(a,3)"}});
  Program again(example("local[2]", "StatefulNetworkWordCount", {"127.0.0.1", std::to_string(source_.port()), folder_.path("checkpoint")}));
  source_.waitForConnection(2);
  source_.send("a\n");
  again.waitForLine([](const std::string& line) { return line == "(a,4)"; });
  again.signal(SIGINT);
  EXPECT_EQ(again.wait(), 0) << again.describe();
}

// What is in the file, once its end says so.
void waitForText(const std::string& path, const std::string& text) {
  for (int tries = 0; tries < 30'000; ++tries) {
    std::ifstream in(path);
    if (std::string(std::istreambuf_iterator<char>(in), {}).find(text) != std::string::npos) return;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  FAIL() << path << " does not say " << text;
}

TEST_F(Examples, RecoverableNetworkWordCountGoesOnFromItsCheckpoint) {
  std::vector<std::string> arguments = {"127.0.0.1", std::to_string(source_.port()), folder_.path("checkpoint"), folder_.path("counts")};
  for (int round = 1; round <= 2; ++round) {
    Program driver(example("local[2]", "RecoverableNetworkWordCount", arguments));
    source_.waitForConnection(round);
    source_.send("word a word\n");
    waitForText(folder_.path("counts"), ": word " + std::to_string(2 * round) + "\n");
    driver.signal(SIGINT);
    EXPECT_EQ(driver.wait(), 0) << driver.describe();
  }
  waitForText(folder_.path("counts"), ": dropped ");
}

TEST_F(Examples, DirectoryWordCount) {
  std::string directory = folder_.path("in");
  std::filesystem::create_directory(directory);
  Program driver(example("local[2]", "DirectoryWordCount", {directory}));
  driver.waitForLine("Time: ");
  folder_.write("aside", "a b a\n");
  std::filesystem::rename(folder_.path("aside"), directory + "/text");
  driver.waitForLine([](const std::string& line) { return line == "(a,2)"; });
  driver.signal(SIGINT);
  EXPECT_EQ(driver.wait(), 0) << driver.describe();
}

TEST_F(Examples, CustomReceiver) { stream("CustomReceiver", {}, {{"a b a\n", "(a,2)"}, {"b\n", "(b,1)"}}); }

// Ten seconds, as its window slides.
TEST_F(Examples, WindowedNetworkWordCount) { stream("WindowedNetworkWordCount", {}, {{"a b a\n", "(a,2)"}}); }

TEST_F(Examples, WindowedNetworkWordCountWithInverse) {
  stream("WindowedNetworkWordCount", {"inverse", folder_.path("checkpoint")}, {{"a b a\n", "(a,2)"}});
}

TEST_F(Examples, QueueStream) {
  auto end = finish(example("local[2]", "QueueStream", {"2"}));
  ASSERT_EQ(end.code, 0) << end.error();
  int batches = 0;
  for (int digit = 0; digit < 10; ++digit) {
    batches += int(std::count(end.lines.begin(), end.lines.end(), "(" + std::to_string(digit) + ",100)"));
  }
  EXPECT_EQ(batches, 20);
}

TEST_F(Examples, Pi) {
  auto end = finish(example("local[2]", "Pi", {"4", "100000"}));
  ASSERT_EQ(end.code, 0) << end.error();
  ASSERT_EQ(end.lines.size(), 1u);
  EXPECT_EQ(end.lines[0].rfind("Pi is roughly 3.1", 0), 0u) << end.lines[0];
}

TEST_F(Examples, JoinLocallyAndOnACluster) {
  for (const char* master : {"local[2]", "local-cluster[2,1,256]"}) {
    auto end = finish(example(master, "Join"), cache());
    ASSERT_EQ(end.code, 0) << end.error();
    EXPECT_EQ(end.lines.size(), 9u);
    EXPECT_EQ(std::count(end.lines.begin(), end.lines.end(), "  eve is 44 and lives in Oslo"), 2);
    EXPECT_EQ(std::count(end.lines.begin(), end.lines.end(), "  bob is 27 and lives nowhere we know"), 1);
  }
}

TEST_F(Examples, WordCountOfAGlobIntoAFolder) {
  folder_.write("text/a.txt", "one two two\n");
  folder_.write("text/b.txt", "two three three\n");
  folder_.write("text/c.log", "not this one\n");
  auto end = finish(example("local[2]", "WordCount", {folder_.path("text/*.txt"), folder_.path("out")}));
  ASSERT_EQ(end.code, 0) << end.error();
  EXPECT_EQ(end.lines, (std::vector<std::string>{"two: 3", "three: 2", "one: 1"}));
  EXPECT_TRUE(std::ifstream(folder_.path("out/_SUCCESS")).good());
}

}  // namespace
}  // namespace sluice::testing
