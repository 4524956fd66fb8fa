// What a Context tells about itself, the files that it ships, functions over partitions, and the drawing of a lineage.
#include <gtest/gtest.h>

#include <sluice/task_context.h>
#include <sluice/testing.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "sluice/testing/batch.h"

namespace sluice {
namespace {

using testing::errorOf;
using testing::Cluster;
using testing::Shape;

constexpr Shape kAll[] = {Shape::kLocal1, Shape::kLocal4, Shape::kSimulated, Shape::kInProcess};

Conf onTwoSlots() { return Conf().setMaster("local[2]").setAppName("the name"); }

TEST(Contexts, TellAboutThemselves) {
  Context context(onTwoSlots().set("sluice.cores.max", 7));
  EXPECT_EQ(context.appName(), "the name");
  EXPECT_EQ(context.master(), "local[2]");
  EXPECT_EQ(context.deployMode(), "client");
  EXPECT_TRUE(context.isLocal());
  EXPECT_EQ(context.version().find_first_not_of("0123456789."), std::string::npos) << context.version();
  EXPECT_GT(context.startTime(), 1'600'000'000'000);
  EXPECT_EQ(context.uiWebUrl(), std::nullopt);
  EXPECT_EQ(context.defaultMinPartitions(), 2);
  Conf conf = context.getConf();
  EXPECT_EQ(conf.get("sluice.cores.max"), "7");
  conf.set("sluice.cores.max", 8);
  EXPECT_EQ(context.getConf().get("sluice.cores.max"), "7") << "a copy";
}

TEST(Contexts, OneIsThereForAll) {
  Context first = Context::getOrCreate(onTwoSlots());
  {
    Context same = Context::getOrCreate(Conf().setMaster("local[1]"));
    EXPECT_EQ(same.applicationId(), first.applicationId());
    EXPECT_EQ(same.master(), "local[2]");
  }
  EXPECT_EQ(first.range(0, 5).count(), 5) << "it goes on when the other handle goes";
  first.stop();
  EXPECT_EQ(Context::getOrCreate(Conf().setMaster("local[1]").setAppName("next")).appName(), "next");
}

TEST(Contexts, KnowWhatIsPersisted) {
  Context context(onTwoSlots());
  EXPECT_TRUE(context.getPersistentRDDs().empty());
  auto kept = context.range(0, 10).map([](std::int64_t n) { return n; }).cache();
  {
    auto gone = context.range(0, 10).setName("gone soon").persist(StorageLevel::DISK_ONLY);
    auto all = context.getPersistentRDDs();
    ASSERT_EQ(all.size(), 2u);
    EXPECT_EQ(all[kept.id()].name.find("map at context_test.cc:"), 0u) << all[kept.id()].name;
    EXPECT_EQ(all[gone.id()].name.find("gone soon at context_test.cc:"), 0u);
    EXPECT_EQ(all[gone.id()].storageLevel, StorageLevel::DISK_ONLY);
  }
  EXPECT_EQ(context.getPersistentRDDs().size(), 1u) << "nobody holds the other";
  kept.unpersist();
  EXPECT_TRUE(context.getPersistentRDDs().empty());
}

TEST(Contexts, LogLevels) {
  Context context(onTwoSlots());
  for (const char* level : {"ALL", "debug", "Info", "WARN", "ERROR", "FATAL", "TRACE"}) context.setLogLevel(level);
  EXPECT_EQ(errorOf([&] { context.setLogLevel("LOUD"); }),
            "setLogLevel: there is no level 'LOUD'; there are ALL, TRACE, DEBUG, INFO, WARN, ERROR, FATAL, OFF");
  std::string path = testing::temporaryDirectory() + "/file";
  std::ofstream(path) << "x";
  auto warned = [&] {
    ::testing::internal::CaptureStderr();
    context.addFile(path);
    return ::testing::internal::GetCapturedStderr();
  };
  context.setLogLevel("OFF");
  warned();
  EXPECT_EQ(warned(), "");
  context.setLogLevel("INFO");
  EXPECT_EQ(warned(), "sluice: addFile: " + path + " has been added already; what it held then stays\n");
}

// ---- Files ----

std::string contentsOf(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream all;
  all << in.rdbuf();
  return all.str();
}

TEST(Contexts, ShipFiles) {
  for (Shape shape : {Shape::kLocal1, Shape::kSimulated, Shape::kInProcess, Shape::kProcesses}) {
    Cluster cluster(shape);
    const Context& context = cluster.context();
    std::string folder = testing::temporaryDirectory();
    std::ofstream(folder + "/words.txt") << "one\ntwo\n";
    std::ofstream(folder + "/binary") << std::string("\0\1\2", 3);
    auto read = context.range(0, 6, 1, 6).map([](std::int64_t) { return contentsOf(Files::get("words.txt")); });
    EXPECT_NE(errorOf([&] { read.count(); }).find("no file 'words.txt' was added with Context::addFile before this job"), std::string::npos) << nameOf(shape);
    context.addFile(folder + "/words.txt");
    EXPECT_EQ(read.collect(), std::vector<std::string>(6, "one\ntwo\n")) << "also by a plan that was known before, " << nameOf(shape);
    std::ofstream(folder + "/words.txt") << "changed";
    context.addFile(folder + "/words.txt");
    context.addFile(folder + "/binary");
    EXPECT_EQ(read.collect(), std::vector<std::string>(6, "one\ntwo\n")) << "as it was when it was added";
    EXPECT_EQ(context.range(0, 2, 1, 2).map([](std::int64_t) { return contentsOf(Files::get("binary")); }).collect()[1], std::string("\0\1\2", 3));
    EXPECT_EQ(Files::get("binary"), folder + "/binary") << "in the driver";
    EXPECT_EQ(context.listFiles(), (std::vector<std::string>{folder + "/words.txt", folder + "/binary"}));
    auto missing = context.range(0, 1, 1, 1).map([](std::int64_t) { return Files::get("other"); });
    EXPECT_NE(errorOf([&] { missing.count(); }).find("; there are: words.txt, binary"), std::string::npos);
  }
}

TEST(Contexts, FilesThatCannotBeShipped) {
  {
    Context context(onTwoSlots());
    std::string folder = testing::temporaryDirectory();
    std::filesystem::create_directories(folder + "/other");
    std::ofstream(folder + "/a") << "a";
    std::ofstream(folder + "/other/a") << "b";
    EXPECT_EQ(errorOf([&] { context.addFile(folder + "/none"); }), "addFile: there is no file '" + folder + "/none'");
    EXPECT_EQ(errorOf([&] { context.addFile(""); }), "addFile: there is no file ''");
    EXPECT_EQ(errorOf([&] { context.addFile(folder); }), "addFile: " + folder + " is not a file; add the files of a directory one by one");
    context.addFile(folder + "/a");
    EXPECT_EQ(errorOf([&] { context.addFile(folder + "/other/a"); }), "addFile: a file named a has been added already: " + folder + "/a");
    EXPECT_EQ(errorOf([&] { Files::get("b"); }), "no file 'b' was added with Context::addFile; there are: a");
    EXPECT_EQ(Files::get("a"), folder + "/a");
  }
  EXPECT_EQ(errorOf([&] { Files::get("a"); }), "Files::get: there is no active Context");
}

// ---- runJob ----

TEST(Contexts, RunFunctionsOverPartitions) {
  for (Shape shape : kAll) {
    Cluster cluster(shape);
    const Context& context = cluster.context();
    auto numbers = context.range(0, 12, 1, 4);
    auto sum = [](Iterator<std::int64_t>& records) {
      std::int64_t sum = 0;
      for (auto n : records) sum += n;
      return sum;
    };
    EXPECT_EQ(context.runJob(numbers, sum), (std::vector<std::int64_t>{3, 12, 21, 30})) << nameOf(shape);
    EXPECT_EQ(context.runJob(numbers, sum, {3, 1}), (std::vector<std::int64_t>{30, 12})) << nameOf(shape);
    EXPECT_TRUE(context.runJob(numbers, sum, std::vector<int>()).empty());
    auto words = context.runJob(numbers, [](Iterator<std::int64_t>& records) { return std::to_string(TaskContext::get()->partitionId()) + (records.hasNext() ? "+" : ""); });
    EXPECT_EQ(words, (std::vector<std::string>{"0+", "1+", "2+", "3+"}));
    EXPECT_EQ(context.submitJob(numbers, sum).get(), (std::vector<std::int64_t>{3, 12, 21, 30}));
    EXPECT_EQ(errorOf([&] { context.runJob(numbers, sum, {0, 4}); }), "runJob: there is no partition 4; the RDD has 4");
    EXPECT_EQ(errorOf([&] { context.runJob(numbers, sum, {-1}); }), "runJob: there is no partition -1; the RDD has 4");
  }
}

TEST(Contexts, RunApproximateJobs) {
  for (Shape shape : kAll) {
    Cluster cluster(shape);
    auto numbers = cluster.context().range(0, 12, 1, 4);
    auto sum = [](Iterator<std::int64_t>& records) {
      std::int64_t sum = 0;
      for (auto n : records) sum += n;
      return sum;
    };
    // Spark's evaluator: what is missing is taken to be like what is there.
    auto scaled = [](const std::vector<std::int64_t>& sums, int partitions) {
      std::int64_t all = 0;
      for (auto n : sums) all += n;
      return sums.empty() ? 0.0 : double(all) * double(partitions) / double(sums.size());
    };
    auto whole = cluster.context().runApproximateJob(numbers, sum, scaled, 60'000);
    EXPECT_TRUE(whole.isInitialValueFinal()) << nameOf(shape);
    EXPECT_EQ(whole.initialValue(), 66);
    EXPECT_EQ(cluster.context().runApproximateJob(numbers, sum, scaled, 0).getFinalValue(), 66) << "whatever was there at once";
    EXPECT_NE(errorOf([&] { cluster.context().runApproximateJob(numbers, sum, scaled, -1); }).find("runApproximateJob: "), std::string::npos);
  }
}

// ---- toDebugString ----

// Without the numbers of nodes and lines.
std::string plain(std::string text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '[' && i + 1 < text.size() && std::isdigit(static_cast<unsigned char>(text[i + 1]))) {
      i = text.find(']', i);
    } else if (text.compare(i, 17, " at context_test.") == 0) {
      i = text.find(' ', i + 5) - 1;
    } else {
      out += text[i];
    }
  }
  return out;
}

TEST(DebugStrings, AreDrawnAsSparkDrawsThem) {
  Context context(onTwoSlots());
  auto pairs = context.range(0, 10, 1, 3).map([](std::int64_t n) { return std::pair(n % 3, n); });
  EXPECT_EQ(plain(pairs.toDebugString()),
            "(3) MapPartitionsRDD at map []\n"
            " |  ParallelCollectionRDD at range []");
  auto counts = pairs.reduceByKey(std::plus<>(), 12);
  EXPECT_EQ(plain(counts.toDebugString()),
            "(12) ShuffledRDD at reduceByKey []\n"
            " +-(3) MapPartitionsRDD at reduceByKey []\n"
            "    |  MapPartitionsRDD at map []\n"
            "    |  ParallelCollectionRDD at range []");
  counts.persist(StorageLevel::MEMORY_AND_DISK_2);
  auto both = counts.join(pairs, 12);
  EXPECT_EQ(plain(both.toDebugString()).find("(12) CoGroupedRDD at join []\n"), 0u) << both.toDebugString();
  EXPECT_NE(plain(both.toDebugString()).find("\n |   ShuffledRDD at reduceByKey [Disk Memory Serialized 2x Replicated]"), std::string::npos) << both.toDebugString();
  EXPECT_NE(plain(both.toDebugString()).find("\n +-(3) MapPartitionsRDD at map []"), std::string::npos) << both.toDebugString();
}

TEST(DebugStrings, OfUnionsAndOthers) {
  Context context(onTwoSlots());
  auto a = context.parallelize({1, 2, 3}, 2), b = context.parallelize({4}, 1);
  EXPECT_EQ(plain(a.union_(b).coalesce(1).toDebugString()),
            "(1) CoalescedRDD at coalesce []\n"
            " |  UnionRDD at union []\n"
            " |  ParallelCollectionRDD at parallelize []\n"
            " |  ParallelCollectionRDD at parallelize []");
  EXPECT_NE(errorOf([&] { RDD<int>().toDebugString(); }).find("the RDD is empty"), std::string::npos);
}

}  // namespace
}  // namespace sluice
