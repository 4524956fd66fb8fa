// A text several times larger than the memory of those who count it: 1 GB of real files, executors of 256 MB (sanitizer builds: less text).
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>
#include <unordered_map>
#include <vector>

#include "tests/cluster/peak_memory.h"
#include "tests/cluster/program.h"

namespace sluice::testing {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kTextBytes = (std::uint64_t(1) << 30) / SLUICE_TEST_SCALE;
constexpr std::uint64_t kBudgetMb = 256, kBesideMb = 64;  // code, threads, gRPC, and what one task's tables may be too large by

// Real text of this machine, about a tenth of what is asked for.
std::string sample(std::uint64_t bytes) {
  std::string text;
  std::vector<fs::path> files;
  std::error_code ignored;
  for (const char* root : {"/usr/include", "/usr/share/doc", "/usr/share/perl"}) {
    for (auto it = fs::recursive_directory_iterator(root, fs::directory_options::skip_permission_denied, ignored); it != fs::recursive_directory_iterator();
         it.increment(ignored)) {
      if (it->is_regular_file(ignored) && it->path().extension() != ".gz") files.push_back(it->path());
    }
  }
  std::sort(files.begin(), files.end());
  for (const auto& path : files) {
    if (text.size() >= bytes) break;
    std::ifstream file(path, std::ios::binary);
    text.append(std::istreambuf_iterator<char>(file), {});
    if (!text.empty() && text.back() != '\n') text += '\n';
  }
  return text;
}

// By blanks, as the example splits.
std::unordered_map<std::string, long> countWords(const std::string& text) {
  std::unordered_map<std::string, long> counts;
  for (std::size_t line = 0; line < text.size();) {
    std::size_t end = text.find('\n', line);
    std::vector<std::string> words;
    std::string_view rest(text.data() + line, end - line);
    if (!rest.empty() && rest.back() == '\r') rest.remove_suffix(1);
    for (;;) {
      auto blank = rest.find(' ');
      words.emplace_back(rest.substr(0, blank));
      if (blank == std::string_view::npos) break;
      rest.remove_prefix(blank + 1);
    }
    while (words.size() > 1 && words.back().empty()) words.pop_back();
    if (words.size() == 1 && words[0].empty() && end > line && rest.empty() && text[line] == ' ') words.clear();  // nothing but blanks
    for (auto& word : words) ++counts[std::move(word)];
    line = end + 1;
  }
  return counts;
}

class BigText : public ::testing::Test {
 protected:
  BigText() {
    std::string text = sample(kTextBytes / 10);
    times_ = (kTextBytes + text.size() - 1) / text.size();
    std::ofstream file(folder_.path("text"), std::ios::binary);
    for (std::uint64_t i = 0; i < times_; ++i) file.write(text.data(), std::streamsize(text.size()));
    counts_ = countWords(text);
    for (auto& [word, count] : counts_) count *= long(times_);
  }
  void count(const std::string& master, bool watched) {
    Program driver({"sluice-submit", "--master", master, "--executor-memory", "256m", "--class", "WordCount", libFolder() + "/libsluice_examples.so",
                    folder_.path("text"), folder_.path("out")},
                   {{"TMPDIR", folder_.path()}, {"XDG_CACHE_HOME", folder_.path("cache")}});
    PeakMemory memory(folder_.path());  // their packages lie in it
    int code = driver.wait();
    memory.stop();
    driver.drain();
    ASSERT_EQ(code, 0) << driver.describe();
    checkOutput(driver.lines());
    if (!watched) return;
    memory.print();
    memory.expectAtMost(kBudgetMb + kBesideMb, 3);
  }
  void checkOutput(const std::vector<std::string>& printed) const {
    std::vector<long> best;
    for (const auto& [word, count] : counts_) best.push_back(count);
    std::sort(best.rbegin(), best.rend());
    ASSERT_EQ(printed.size(), 10u);
    for (std::size_t i = 0; i < printed.size(); ++i) {
      auto colon = printed[i].rfind(": ");
      EXPECT_EQ(std::stol(printed[i].substr(colon + 2)), best[i]);
      EXPECT_EQ(std::stol(printed[i].substr(colon + 2)), counts_.at(printed[i].substr(0, colon)));
    }
    std::size_t words = 0;
    long last = best[0];
    std::vector<fs::path> parts;
    for (const auto& entry : fs::directory_iterator(folder_.path("out"))) {
      if (entry.path().filename().string().rfind("part-", 0) == 0) parts.push_back(entry.path());
    }
    std::sort(parts.begin(), parts.end());
    for (const auto& part : parts) {
      std::ifstream file(part);
      for (std::string line; std::getline(file, line); ++words) {
        auto comma = line.rfind(',');
        long count = std::stol(line.substr(comma + 1));
        ASSERT_LE(count, last) << "sorted by count over all parts";
        last = count;
        auto wanted = counts_.find(line.substr(1, comma - 1));
        ASSERT_TRUE(wanted != counts_.end() && wanted->second == count) << line;
      }
    }
    EXPECT_EQ(words, counts_.size());
  }

  TestFolder folder_;
  std::uint64_t times_ = 1;
  std::unordered_map<std::string, long> counts_;
};

TEST_F(BigText, IsCountedAndSortedLocally) { count("local[2]", false); }

TEST_F(BigText, IsCountedAndSortedOnAClusterWithinItsMemory) { count("local-cluster[3,1,256]", true); }

}  // namespace
}  // namespace sluice::testing
