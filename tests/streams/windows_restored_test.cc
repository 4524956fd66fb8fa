// Windows of a stream that is stopped and restored: what they held goes on, for as long as it would have, on every shape. The input is files,
// which a restored context does not read again.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sluice/testing.h"

namespace {

namespace fs = std::filesystem;
using sluice::DStream;
using sluice::Milliseconds;
using sluice::Seconds;
using sluice::State;
using sluice::StateSpec;
using sluice::Time;
using sluice::testing::Batches;
using sluice::testing::Cluster;
using sluice::testing::Shape;
using sluice::testing::temporaryDirectory;
using Words = DStream<std::string>;

constexpr Shape kShapes[] = {Shape::kLocal1, Shape::kLocal4, Shape::kSimulated, Shape::kInProcess};
// One file for each batch, nothing for some.
const std::vector<std::string> kFiles = {"a b", "a", "c", "", "b b", "d", "a", "e", "", "", "f", "a", "g", "b", "", "h", "a c"};

constexpr auto paired = [](const Words& words) { return words.map([](const std::string& w) { return std::pair(w, 1); }); };
constexpr auto plus = [](int a, int b) { return a + b; };
constexpr auto minus = [](int a, int b) { return a - b; };
constexpr auto some = [](const std::pair<std::string, int>& count) { return count.second != 0; };

struct When {
  int before = 6;  // batches ahead of the stop
  int down = 0;    // intervals in which nothing runs
};

// Each batch as text, sorted; "-" where there was no RDD.
template <class T> std::vector<std::string> texts(const Batches<T>& batches) {
  std::vector<std::string> all;
  for (const auto& batch : sluice::testing::detail::shown(batches)) {
    std::vector<std::string> records;
    for (const auto& part : batch.parts) {
      for (const auto& record : part) records.push_back(record.text);
    }
    std::sort(records.begin(), records.end());
    std::string text = batch.noRdd ? "-" : "";
    for (const auto& record : records) text += record + " ";
    all.push_back(std::move(text));
  }
  return all;
}

void put(const std::string& dir, std::size_t batch, Time modified) {
  if (kFiles[batch].empty()) return;
  std::string path = dir + "/" + std::to_string(batch);
  std::ofstream(path + ".tmp", std::ios::binary) << kFiles[batch];
  using Millis = std::chrono::milliseconds;
  fs::last_write_time(path + ".tmp", std::chrono::file_clock::from_sys(std::chrono::sys_time<Millis>(Millis(modified.milliseconds()))));
  fs::rename(path + ".tmp", path);
}

template <class T> T recordOf(const DStream<T>&);

// What each batch of kFiles gave; those of the downtime are left out, whether they were run (without files) or not.
template <class Op> std::vector<std::string> run(Shape shape, Op op, When when, bool stops) {
  const std::string dir = temporaryDirectory(), checkpoint = temporaryDirectory();
  Cluster cluster(shape, Seconds(1));
  using T = decltype(recordOf(op(std::declval<Words>())));
  auto define = [&](Cluster& c) {
    c.streaming().checkpoint(checkpoint);
    auto words = c.streaming().textFileStream(dir).flatMap([](std::string_view line) {
      std::vector<std::string> words;
      for (char letter : line) {
        if (letter != ' ') words.emplace_back(1, letter);
      }
      return words;
    });
    c.collect<T>("output", op(words));
  };
  define(cluster);
  std::vector<int> ran;
  for (int batch = 0; batch < int(kFiles.size()); ++batch) {
    bool down = batch >= when.before && batch < when.before + when.down;
    if (stops && batch == when.before) {
      cluster.stopAndRestore(define);
      cluster.clock().advance(Seconds(when.down));
    }
    if (stops && down) continue;
    if (!down) put(dir, std::size_t(batch), cluster.clock().now().floor(Seconds(1)) + Milliseconds(500));
    cluster.runBatches(1);
    ran.push_back(batch);
  }
  auto all = texts(cluster.collected<T>("output"));
  EXPECT_EQ(all.size(), ran.size());
  std::vector<std::string> told;
  for (std::size_t i = 0; i < std::min(all.size(), ran.size()); ++i) {
    bool down = ran[i] >= when.before && ran[i] < when.before + when.down;
    if (!down) told.push_back(std::to_string(ran[i]) + ": " + all[i]);
  }
  return told;
}

template <class Op> void goesOn(Op op) {
  for (Shape shape : kShapes) {
    for (When when : {When{6, 0}, When{7, 0}, When{6, 2}, When{5, 9}}) {
      SCOPED_TRACE(std::string(nameOf(shape)) + ", stopped after " + std::to_string(when.before) + " batches for " + std::to_string(when.down));
      EXPECT_EQ(run(shape, op, when, true), run(shape, op, when, false));
    }
  }
}

TEST(WindowsRestored, OfRecords) {
  goesOn([](Words words) { return words.window(Seconds(4)); });
}

TEST(WindowsRestored, ThatSlide) {
  goesOn([](Words words) { return words.window(Seconds(6), Seconds(2)); });
}

TEST(WindowsRestored, Counts) {
  goesOn([](Words words) { return words.countByWindow(Seconds(4), Seconds(1)); });
}

TEST(WindowsRestored, ByKey) {
  goesOn([](Words words) { return paired(words).reduceByKeyAndWindow(plus, Seconds(5), Seconds(1)); });
}

TEST(WindowsRestored, ByKeyInGroups) {
  goesOn([](Words words) { return paired(words).groupByKeyAndWindow(Seconds(4), Seconds(2)); });
}

TEST(WindowsRestored, WithAnInverse) {
  goesOn([](Words words) { return paired(words).reduceByKeyAndWindow(plus, minus, Seconds(5), Seconds(1)); });
}

TEST(WindowsRestored, WithAnInverseThatSlides) {
  goesOn([](Words words) { return paired(words).reduceByKeyAndWindow(plus, minus, Seconds(6), Seconds(2), 3, some); });
}

TEST(WindowsRestored, OfWindows) {
  goesOn([](Words words) { return words.window(Seconds(4)).window(Seconds(4)).countByValue(); });
}

TEST(WindowsRestored, OfWhatAStateWasMappedTo) {
  goesOn([](Words words) {
    return paired(words).updateStateByKey([](const std::vector<int>& added, const std::optional<int>& state) -> std::optional<int> {
      return state.value_or(0) + int(added.size());
    }).map([](const std::pair<std::string, int>& count) { return std::pair(count.first, count.second % 2); }).reduceByKeyAndWindow(plus, minus, Seconds(3), Seconds(1));
  });
}

TEST(WindowsRestored, OfAState) {
  goesOn([](Words words) {
    return paired(words).updateStateByKey([](const std::vector<int>& added, const std::optional<int>& state) -> std::optional<int> {
      int sum = state.value_or(0);
      for (int x : added) sum += x;
      return sum;
    }).window(Seconds(3));
  });
}

TEST(WindowsRestored, OfWhatMappedAState) {
  goesOn([](Words words) {
    return paired(words).mapWithState(StateSpec::function([](std::string_view word, std::optional<int> one, State<int>& state) {
      int sum = one.value_or(0) + (state.exists() ? state.get() : 0);
      state.update(sum);
      return std::string(word) + std::to_string(sum);
    })).window(Seconds(4));
  });
}

TEST(WindowsRestored, OfWhatTheDriverMakesAnew) {
  goesOn([](Words words) {
    return words.transform([](const sluice::RDD<std::string>& rdd, Time t) { return rdd.repartition(1 + int(t.milliseconds() / 1000 % 3)); }).window(Seconds(4));
  });
}

// They begin with the first batch after the restart, whatever the others held before.
TEST(WindowsRestored, NewOnesInAChangedApplicationBeginEmpty) {
  for (Shape shape : kShapes) {
    SCOPED_TRACE(nameOf(shape));
    const std::string dir = temporaryDirectory(), checkpoint = temporaryDirectory();
    Cluster cluster(shape, Seconds(1));
    auto define = [&](Cluster& c, bool changed) {
      c.streaming().checkpoint(checkpoint);
      auto words = c.streaming().textFileStream(dir).map([](std::string_view line) { return std::string(line.substr(0, 1)); });
      c.collect<std::string>("kept", words.window(Seconds(3)));
      if (!changed) return;
      auto counts = paired(words).reduceByKey(plus).uid("new");
      c.collect<std::pair<std::string, int>>("window", counts.window(Seconds(3)));
      c.collect<std::pair<std::string, int>>("inverse", counts.reduceByKeyAndWindow(plus, minus, Seconds(3), Seconds(1), 0, some));
      c.collect<std::pair<std::string, int>>("state", counts.updateStateByKey([](const std::vector<int>& added, const std::optional<int>& state) -> std::optional<int> {
        return state.value_or(0) + (added.empty() ? 0 : added.front());
      }));
      c.collect<std::string>("mapped", counts.mapWithState(StateSpec::function([](std::string_view word, std::optional<int> one, State<int>& state) {
        state.update(one.value_or(0) + (state.exists() ? state.get() : 0));
        return std::string(word) + std::to_string(state.get());
      })));
    };
    auto run = [&](std::size_t batch) {
      put(dir, batch, cluster.clock().now().floor(Seconds(1)) + Milliseconds(500));
      cluster.runBatches(1);
    };
    define(cluster, false);
    for (std::size_t batch : {0, 1, 2}) run(batch);
    cluster.stopAndRestore([&](Cluster& c) { define(c, true); });
    cluster.clock().advance(Seconds(100));
    for (std::size_t batch : {5, 7}) run(batch);
    EXPECT_EQ(texts(cluster.collected<std::pair<std::string, int>>("window")), (std::vector<std::string>{"(d,1) ", "(d,1) (e,1) "}));
    EXPECT_EQ(texts(cluster.collected<std::pair<std::string, int>>("inverse")), (std::vector<std::string>{"(d,1) ", "(d,1) (e,1) "}));
    EXPECT_EQ(texts(cluster.collected<std::pair<std::string, int>>("state")), (std::vector<std::string>{"(d,1) ", "(d,1) (e,1) "}));
    EXPECT_EQ(texts(cluster.collected<std::string>("mapped")), (std::vector<std::string>{"d1 ", "e1 "}));
  }
}

// Only the function of the driver asks for what the window held.
TEST(WindowsRestored, ADamagedFileIsSaidAndNobodyWaits) {
  for (Shape shape : {Shape::kLocal4, Shape::kSimulated}) {
    SCOPED_TRACE(nameOf(shape));
    const std::string dir = temporaryDirectory(), checkpoint = temporaryDirectory();
    Cluster cluster(shape, Seconds(1));
    auto define = [&](Cluster& c) {
      c.streaming().checkpoint(checkpoint);
      c.collect<std::string_view>("output", c.streaming().textFileStream(dir).window(Seconds(4)));
    };
    define(cluster);
    for (std::size_t batch = 0; batch < 3; ++batch) {
      put(dir, batch, cluster.clock().now().floor(Seconds(1)) + Milliseconds(500));
      cluster.runBatches(1);
    }
    cluster.stopAndRestore(define);
    for (const auto& entry : fs::directory_iterator(checkpoint)) {
      if (entry.path().filename().string().find("-panes-") == std::string::npos) continue;
      std::fstream file(entry.path(), std::ios::in | std::ios::out | std::ios::binary);
      file.seekp(-1, std::ios::end);
      file.put('!');
    }
    std::string error;
    try {
      cluster.runBatches(2);
    } catch (const sluice::Error& thrown) {
      error = thrown.what();
    }
    EXPECT_NE(error.find("is not what was written"), std::string::npos) << error;
  }
}

TEST(WindowsRestored, OfTwoLengthsOverOneStream) {
  goesOn([](Words words) {
    auto counts = paired(words);
    return counts.reduceByKeyAndWindow(plus, minus, Seconds(3), Seconds(1)).fullOuterJoin(counts.reduceByKeyAndWindow(plus, minus, Seconds(8), Seconds(1)));
  });
}

}  // namespace
