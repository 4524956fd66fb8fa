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

// The port that one of the examples that feed others says it has.
std::string portOf(Program& server) {
  std::string line = server.waitForLine("Listening on port: ");
  return line.substr(line.rfind(' ') + 1);
}

TEST_F(Examples, RawNetworkGrepOfWhatRawTextSenderSends) {
  // 100 bytes are five times these lines, of which two in three have the word.
  std::string text = folder_.write("text", "the end\nnone\nothers\n");
  Program sender(example("local[1]", "RawTextSender", {"0", text, "100", "20000"}));
  Program grep(example("local[2]", "RawNetworkGrep", {"2", "127.0.0.1", portOf(sender), "200"}));
  std::size_t from = 0;
  for (int batches = 0; batches < 3; ++batches) {
    auto found = [](const std::string& line) { return line.rfind("Grep count: ", 0) == 0 && line != "Grep count: 0"; };
    std::string line = grep.waitForLine(found, from, &from);
    EXPECT_EQ(std::stol(line.substr(12)) % 10, 0) << "blocks are whole: " << line;
    ++from;
  }
  grep.signal(SIGINT);
  EXPECT_EQ(grep.wait(), 0) << grep.describe();
  auto said = sender.lines();
  EXPECT_EQ(std::count(said.begin(), said.end(), "Got client connected from: 127.0.0.1"), 2);
  sender.signal(SIGTERM);
  EXPECT_NE(sender.wait(), 0);
}

TEST_F(Examples, RawTextSenderRefusesWhatItCannotSend) {
  auto none = finish(example("local[1]", "RawTextSender", {"0", folder_.path("none"), "100", "1000"}));
  EXPECT_NE(none.error().find("cannot be read, or has no line"), std::string::npos) << none.error();
  auto slow = finish(example("local[1]", "RawTextSender", {"0", folder_.write("text", "a\n"), "100", "0"}));
  EXPECT_NE(slow.error().find("must be above 0"), std::string::npos) << slow.error();
  auto port = finish(example("local[1]", "RawTextSender", {"70000", folder_.path("text"), "100", "1000"}));
  EXPECT_NE(port.error().find("there is no port 70000"), std::string::npos) << port.error();
  auto address = finish(example("local[1]", "RawTextSender", {"0", folder_.path("text"), "100", "1000", "here"}));
  EXPECT_NE(address.error().find("'here' is no IPv4 address"), std::string::npos) << address.error();
}

TEST_F(Examples, PageViewStreamOfWhatPageViewGeneratorSends) {
  Program generator(example("local[1]", "PageViewGenerator", {"0", "500"}));
  Program driver(example("local[2]", "PageViewStream", {"pageCounts", "127.0.0.1", portOf(generator)}));
  for (const char* page : {"(http://foo.com/,", "(http://foo.com/news,", "(http://foo.com/contact,"}) driver.waitForLine(page);
  driver.signal(SIGINT);
  EXPECT_EQ(driver.wait(), 0) << driver.describe();
  generator.signal(SIGTERM);
  EXPECT_NE(generator.wait(), 0);
}

TEST_F(Examples, PageViewStreamHasFiveMetrics) {
  const std::string views =
      "http://foo.com/\t200\t94709\t1\n"
      "http://foo.com/\t404\t94709\t1\n"
      "this is no view\n"
      "http://foo.com/news\t200\t94117\t3\n";
  const std::vector<std::pair<std::string, std::vector<std::string>>> metrics = {
      {"pageCounts", {"(http://foo.com/,2)", "(http://foo.com/news,1)"}},
      {"slidingPageCounts", {"(http://foo.com/,2)", "(http://foo.com/news,1)"}},
      {"errorRatePerZipCode", {"94709: **0.5**", "94117: 0"}},
      {"activeUserCount", {"Unique active users: 2"}},
      {"popularUsersSeen", {"Saw user Patrick Wendell at time ", "Saw user Matei Zaharia at time "}},
  };
  int connections = 0;
  for (const auto& [metric, printed] : metrics) {
    SCOPED_TRACE(metric);
    Program driver(example("local[2]", "PageViewStream", {metric, "127.0.0.1", std::to_string(source_.port()), folder_.path("checkpoint")}));
    source_.waitForConnection(++connections);
    source_.send(views);
    for (const std::string& line : printed) driver.waitForLine([&](const std::string& seen) { return seen.rfind(line, 0) == 0; });
    driver.signal(SIGINT);
    EXPECT_EQ(driver.wait(), 0) << driver.describe();
  }
  auto none = finish(example("local[2]", "PageViewStream", {"pages", "127.0.0.1", "1"}));
  EXPECT_NE(none.error().find("there is no metric pages; name pageCounts"), std::string::npos) << none.error();
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
