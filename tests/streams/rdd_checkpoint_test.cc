// Checkpoints of datasets: written once by the action that follows, read from then on, whatever became of the lineage.
#include <atomic>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>

#include "everywhere.h"

namespace sluice::testing {
namespace {

namespace fs = std::filesystem;

std::atomic<int> computed{0};  // of this process, as the executors of these shapes are
int counted(int x) {
  ++computed;
  return x * 10;
}

std::size_t partsIn(const std::string& directory) {
  std::size_t parts = 0;
  for (const auto& entry : fs::directory_iterator(directory)) parts += entry.path().filename().string().starts_with("part-");
  return parts;
}

TEST(RddCheckpoint, CutsTheLineageAfterTheFirstAction) {
  everywhere([](const Context& sc) {
    std::string root = temporaryDirectory();
    sc.setCheckpointDir(root);
    EXPECT_EQ(sc.getCheckpointDir()->rfind(root + "/", 0), 0u);
    computed = 0;
    auto rdd = sc.parallelize(upTo(6), 3).map(&counted);
    rdd.checkpoint();
    EXPECT_FALSE(rdd.isCheckpointed());
    EXPECT_EQ(rdd.getCheckpointFile(), std::nullopt);
    auto before = rdd.map([](int x) { return x + 1; });  // made before the cut, and reads the files afterwards all the same
    EXPECT_EQ(rdd.count(), 6);
    EXPECT_EQ(computed, 12);  // by the action, and by the job that writes
    EXPECT_TRUE(rdd.isCheckpointed());
    ASSERT_TRUE(rdd.getCheckpointFile());
    EXPECT_EQ(fs::path(*rdd.getCheckpointFile()).parent_path(), *sc.getCheckpointDir());
    EXPECT_EQ(partsIn(*rdd.getCheckpointFile()), 3u);
    EXPECT_EQ(rdd.getNumPartitions(), 3);
    EXPECT_EQ(rdd.collect(), (std::vector<int>{0, 10, 20, 30, 40, 50}));
    EXPECT_EQ(rdd.glom().collect(), (std::vector<std::vector<int>>{{0, 10}, {20, 30}, {40, 50}}));
    EXPECT_EQ(before.collect(), (std::vector<int>{1, 11, 21, 31, 41, 51}));
    EXPECT_EQ(computed, 12);
    rdd.checkpoint();  // once more: nothing to be done
    EXPECT_EQ(rdd.sum(), 150);
    EXPECT_EQ(computed, 12);
  });
}

TEST(RddCheckpoint, IsWrittenFromThePersistedCopy) {
  everywhere([](const Context& sc) {
    sc.setCheckpointDir(temporaryDirectory());
    computed = 0;
    auto rdd = sc.parallelize(upTo(6), 3).map(&counted).cache();
    rdd.checkpoint();
    EXPECT_EQ(rdd.count(), 6);
    EXPECT_EQ(computed, 6);
    EXPECT_EQ(rdd.getStorageLevel(), StorageLevel::MEMORY_ONLY);
    EXPECT_EQ(sc.getPersistentRDDs().count(rdd.id()), 1u);
    fs::rename(*rdd.getCheckpointFile(), *rdd.getCheckpointFile() + "-away");
    EXPECT_EQ(rdd.sum(), 150) << "the kept copy is read first";
    fs::rename(*rdd.getCheckpointFile() + "-away", *rdd.getCheckpointFile());
    rdd.unpersist();
    EXPECT_EQ(sc.getPersistentRDDs().count(rdd.id()), 0u);
    EXPECT_EQ(rdd.sum(), 150);
    rdd.persist(StorageLevel::DISK_ONLY);
    EXPECT_EQ(rdd.sum(), 150);
    EXPECT_EQ(computed, 6);
  });
}

TEST(RddCheckpoint, IsReadWhenAnExecutorIsLost) {
  for (Shape shape : {Shape::kSimulated, Shape::kInProcess}) {
    SCOPED_TRACE(nameOf(shape));
    Cluster cluster(shape);
    const Context& sc = cluster.context();
    sc.setCheckpointDir(temporaryDirectory());
    computed = 0;
    auto rdd = sc.parallelize(upTo(12), 6).map(&counted).cache();
    rdd.checkpoint();
    EXPECT_EQ(rdd.sum(), 660);
    cluster.kill(1);
    EXPECT_EQ(rdd.sum(), 660);
    EXPECT_EQ(rdd.map([](int x) { return x / 10; }).sum(), 66);
    EXPECT_EQ(computed, 12) << "lost parts come from the files";
  }
}

TEST(RddCheckpoint, KeepsThePartitioner) {
  everywhere([](const Context& sc) {
    sc.setCheckpointDir(temporaryDirectory());
    auto pairs = sc.parallelize(upTo(20), 4).map([](int x) { return std::pair(x % 5, 1); });
    for (int named : {0, 3}) {
      auto counts = pairs.reduceByKey(std::plus<>(), named);
      auto partitioner = counts.partitioner();
      counts.checkpoint();
      counts.count();
      EXPECT_TRUE(counts.isCheckpointed());
      EXPECT_EQ(counts.partitioner(), partitioner);
      auto joined = counts.join(pairs.reduceByKey(std::plus<>(), named));
      EXPECT_EQ(joined.toDebugString().find("CoGroupedRDD"), std::string::npos) << joined.toDebugString();
      EXPECT_EQ(sorted(joined.collect()), (std::vector<std::pair<int, std::pair<int, int>>>{{0, {4, 4}}, {1, {4, 4}}, {2, {4, 4}}, {3, {4, 4}}, {4, {4, 4}}}));
      EXPECT_EQ(counts.lookup(3), (std::vector<int>{4}));
      auto read = sc.checkpointFile<std::pair<int, int>>(*counts.getCheckpointFile());
      // The default number may have become another one since the driver was told of it; then the files lie in no known way.
      bool known = named != 0 || counts.getNumPartitions() == int(sc.defaultParallelism());
      if (known) EXPECT_EQ(read.partitioner(), partitioner);
      else EXPECT_FALSE(read.partitioner());
      EXPECT_EQ(read.lookup(3), (std::vector<int>{4}));
      std::ofstream(*counts.getCheckpointFile() + "/_partitioner") << "of another hash\n";
      EXPECT_FALSE((sc.checkpointFile<std::pair<int, int>>(*counts.getCheckpointFile()).partitioner()));
    }
  });
}

TEST(RddCheckpoint, DebugStringAndDependenciesShowIt) {
  Cluster cluster(Shape::kLocal4);
  const Context& sc = cluster.context();
  sc.setCheckpointDir(temporaryDirectory());
  auto rdd = sc.parallelize(upTo(4), 2).map([](int x) { return x; });
  rdd.checkpoint();
  EXPECT_NE(rdd.toDebugString().find("ParallelCollectionRDD"), std::string::npos);
  rdd.count();
  std::string id = std::to_string(rdd.id()), text = rdd.toDebugString();
  EXPECT_EQ(text.rfind("(2) MapPartitionsRDD[" + id + "] at map at rdd_checkpoint_test.cc:", 0), 0u) << text;
  auto dependencies = rdd.dependencies();
  ASSERT_EQ(dependencies.size(), 1u);
  EXPECT_EQ(dependencies[0].kind, Dependency::Kind::kOneToOne);
  EXPECT_NE(text.find("\n |  ReliableCheckpointRDD[" + std::to_string(dependencies[0].id) + "] at count at rdd_checkpoint_test.cc:"), std::string::npos) << text;
  EXPECT_EQ(text.find("ParallelCollectionRDD"), std::string::npos) << text;
  auto local = rdd.map([](int x) { return x; }).localCheckpoint();
  local.count();
  EXPECT_NE(local.toDebugString().find("LocalCheckpointRDD["), std::string::npos) << local.toDebugString();
  auto read = sc.checkpointFile<int>(*rdd.getCheckpointFile());
  EXPECT_EQ(read.toDebugString().rfind("(2) ReliableCheckpointRDD[", 0), 0u) << read.toDebugString();
}

// Far more operations than one plan may hold, one after the other.
TEST(RddCheckpoint, LongIterationsEnd) {
  Cluster cluster(Shape::kLocal4);
  const Context& sc = cluster.context();
  sc.setCheckpointDir(temporaryDirectory());
  auto rdd = sc.parallelize(upTo(4), 2);
  for (int i = 1; i <= 4'500; ++i) {
    rdd = rdd.map([](int x) { return x + 1; });
    if (i % 500 != 0) continue;
    rdd.checkpoint();
    EXPECT_EQ(rdd.count(), 4);
  }
  EXPECT_EQ(rdd.collect(), (std::vector<int>{4500, 4501, 4502, 4503}));
}

TEST(RddCheckpoint, IterationsWithACheckpointEveryTen) {
  everywhere([](const Context& sc) {
    sc.setCheckpointDir(temporaryDirectory());
    for (bool kept : {false, true}) {
      auto rdd = sc.parallelize(upTo(4), 2);
      for (int i = 1; i <= 200; ++i) {
        rdd = rdd.map([](int x) { return x + 1; });
        if (i % 10 != 0) continue;
        auto before = rdd;
        if (kept) rdd.cache();
        rdd.checkpoint();
        EXPECT_EQ(rdd.count(), 4);
      }
      EXPECT_EQ(rdd.collect(), (std::vector<int>{200, 201, 202, 203}));
    }
  });
}

TEST(RddCheckpoint, TheNearestMarkedAncestorIsWrittenOrAll) {
  everywhere([](const Context& sc) {
    sc.setCheckpointDir(temporaryDirectory());
    for (bool all : {false, true}) {
      auto first = sc.parallelize(upTo(4), 2).map([](int x) { return x + 1; });
      auto second = first.map([](int x) { return x * 2; });
      first.checkpoint(), second.checkpoint();
      if (all) sc.setLocalProperty("sluice.checkpoint.checkpointAllMarkedAncestors", "true");
      EXPECT_EQ(second.map([](int x) { return x; }).sum(), 20);
      EXPECT_TRUE(second.isCheckpointed());
      EXPECT_EQ(first.isCheckpointed(), all);
      EXPECT_EQ(first.sum(), 10);
      EXPECT_TRUE(first.isCheckpointed());
    }
  });
}

TEST(RddCheckpoint, FilesAreReadByAnotherContext) {
  for (Shape shape : {Shape::kLocal1, Shape::kLocal4, Shape::kSimulated, Shape::kInProcess}) {
    SCOPED_TRACE(nameOf(shape));
    std::string path;
    {
      Cluster cluster(shape);
      cluster.context().setCheckpointDir(temporaryDirectory());
      auto words = cluster.context().parallelize({"a", "bb", "ccc"}, 3).map([](const std::string& word) { return std::pair(word, int(word.size())); });
      words.checkpoint();
      words.count();
      path = *words.getCheckpointFile();
    }
    Cluster cluster(shape);
    const Context& sc = cluster.context();
    auto words = sc.checkpointFile<std::pair<std::string, int>>(path);
    EXPECT_EQ(words.getNumPartitions(), 3);
    EXPECT_TRUE(words.isCheckpointed());
    EXPECT_EQ(words.getCheckpointFile(), path);
    EXPECT_EQ(words.collect(), (std::vector<std::pair<std::string, int>>{{"a", 1}, {"bb", 2}, {"ccc", 3}}));
    EXPECT_EQ((sc.checkpointFile<std::pair<std::string_view, int>>(path).map([](auto p) { return p.second; }).sum()), 6);
    std::string error = errorOf([&] { sc.checkpointFile<int>(path).collect(); });
    EXPECT_NE(error.find("; name the type that it was written with"), std::string::npos) << error;
  }
}

TEST(RddCheckpoint, ViewsAndEmptyDatasets) {
  everywhere([](const Context& sc) {
    std::string root = temporaryDirectory();
    sc.setCheckpointDir(root);
    std::ofstream(root + "/text") << "one\ntwo\n";
    auto lines = sc.textFile(root + "/text", 2);
    lines.checkpoint();
    EXPECT_EQ(lines.count(), 2);
    fs::remove(root + "/text");
    EXPECT_EQ(lines.map([](std::string_view line) { return line.substr(1); }).collect(), (std::vector<std::string>{"ne", "wo"}));
    auto none = sc.parallelize(std::vector<int>{}, 2);
    none.checkpoint();
    EXPECT_EQ(none.count(), 0);
    EXPECT_TRUE(none.isCheckpointed());
    EXPECT_EQ(none.getNumPartitions(), 2);
    EXPECT_EQ(none.count(), 0);
    auto nothing = sc.emptyRDD<int>();
    nothing.checkpoint();
    EXPECT_EQ(nothing.count(), 0);
    EXPECT_TRUE(nothing.isCheckpointed());
    EXPECT_EQ(nothing.collect(), std::vector<int>());
  });
}

TEST(RddCheckpoint, BatchesOfAStream) {
  for (Shape shape : {Shape::kLocal1, Shape::kLocal4, Shape::kSimulated, Shape::kInProcess}) {
    SCOPED_TRACE(nameOf(shape));
    Cluster cluster(shape);
    cluster.streaming().context().setCheckpointDir(temporaryDirectory());
    std::vector<std::vector<int>> seen;
    cluster.input<int>({{1, 2}, {3}}).foreachRDD([&](const RDD<int>& rdd) {
      auto more = rdd.map([](int x) { return x + 1; });
      rdd.checkpoint(), more.checkpoint();
      more.count();
      EXPECT_TRUE(rdd.isCheckpointed());  // in streams all that are marked
      EXPECT_TRUE(more.isCheckpointed());
      seen.push_back(more.collect());
    });
    cluster.runBatches(2);
    EXPECT_EQ(seen, (std::vector<std::vector<int>>{{2, 3}, {4}}));
  }
}

TEST(RddCheckpoint, Errors) {
  everywhere([](const Context& sc) {
    std::string root = temporaryDirectory();
    auto rdd = sc.parallelize(upTo(4), 2).map([](int x) { return x; });
    EXPECT_EQ(adviceOf([&] { rdd.checkpoint(); }), "no checkpoint directory is set; call Context::setCheckpointDir(directory) first");
    EXPECT_EQ(sc.getCheckpointDir(), std::nullopt);
    EXPECT_EQ(adviceOf([&] { sc.setCheckpointDir(""); }), "the directory has no name");
    std::ofstream(root + "/file") << "x";
    EXPECT_EQ(adviceOf([&] { sc.setCheckpointDir(root + "/file/below"); }), root + "/file/below cannot be made: Not a directory");
    EXPECT_EQ(adviceOf([&] { sc.checkpointFile<int>(""); }), "the directory has no name");
    EXPECT_EQ(adviceOf([&] { sc.checkpointFile<int>(root + "/none"); }), root + "/none does not exist");
    EXPECT_EQ(adviceOf([&] { sc.checkpointFile<int>(root + "/file"); }), root + "/file is no directory");
    sc.setCheckpointDir(root);
    rdd.checkpoint();
    rdd.count();
    std::string made = *rdd.getCheckpointFile();
    fs::remove(made + "/_SUCCESS");
    EXPECT_EQ(adviceOf([&] { sc.checkpointFile<int>(made); }), made + " holds no whole checkpoint: _SUCCESS is missing");
    fs::remove(made + "/part-00000");
    EXPECT_EQ(adviceOf([&] { sc.checkpointFile<int>(made); }), made + " holds no whole checkpoint: part-00000 is missing");
    std::string gone = errorOf([&] { rdd.count(); });
    EXPECT_NE(gone.find(made + "/part-00000"), std::string::npos) << gone;
    EXPECT_EQ(gone.find('\n'), std::string::npos);
    EXPECT_NE(adviceOf([] { RDD<int>().isCheckpointed(); }).find("empty"), std::string::npos);
  });
}

// The action's error says what could not be written; the next one tries again.
TEST(RddCheckpoint, IsTriedAgainByTheNextAction) {
  everywhere([](const Context& sc) {
    sc.setCheckpointDir(temporaryDirectory());
    auto rdd = sc.parallelize(upTo(4), 2);
    rdd.checkpoint();
    std::string folder = *sc.getCheckpointDir();
    fs::remove(folder);
    std::ofstream(folder) << "in the way";
    std::string error = errorOf([&] { rdd.count(); });
    EXPECT_EQ(error.rfind("checkpoint at rdd_checkpoint_test.cc:", 0), 0u) << error;
    EXPECT_NE(error.find(" of parallelize at rdd_checkpoint_test.cc:"), std::string::npos) << error;
    EXPECT_FALSE(rdd.isCheckpointed());
    fs::remove(folder);
    EXPECT_EQ(rdd.count(), 4);
    EXPECT_TRUE(rdd.isCheckpointed());
  });
}

TEST(RddCheckpoint, InsideTransformIsRefused) {
  Cluster cluster(Shape::kLocal1);
  cluster.streaming().context().setCheckpointDir(temporaryDirectory());
  std::string error;
  cluster.input<int>({{1}}).transform([&](const RDD<int>& rdd) {
    error = adviceOf([&] { rdd.checkpoint(); });
    return rdd;
  });
  EXPECT_EQ(error, "an RDD inside transform has no data yet; use DStream::checkpoint, or foreachRDD for the RDD of a batch");
}

// ---- Local ones ----

TEST(RddLocalCheckpoint, CutsTheLineageWithoutFiles) {
  everywhere([](const Context& sc) {
    computed = 0;
    auto rdd = sc.parallelize(upTo(6), 3).map(&counted).localCheckpoint();
    EXPECT_EQ(rdd.getStorageLevel(), StorageLevel::MEMORY_AND_DISK);
    EXPECT_FALSE(rdd.isCheckpointed());
    EXPECT_EQ(rdd.first(), 0);  // what the action did not need is computed then
    EXPECT_TRUE(rdd.isCheckpointed());
    EXPECT_EQ(rdd.getCheckpointFile(), std::nullopt);
    EXPECT_EQ(computed, 6);
    EXPECT_EQ(rdd.sum(), 150);
    EXPECT_EQ(rdd.map([](int x) { return x + 1; }).collect(), (std::vector<int>{1, 11, 21, 31, 41, 51}));
    EXPECT_EQ(rdd.getNumPartitions(), 3);
    EXPECT_EQ(computed, 6);
    auto kept = sc.parallelize(upTo(6), 3).map(&counted).persist(StorageLevel::MEMORY_ONLY).localCheckpoint();
    EXPECT_TRUE(kept.getStorageLevel().disk) << "nothing may be dropped that cannot be computed again";
    auto rest = sc.parallelize(upTo(4), 2).map([](int x) { return std::pair(x % 2, x); }).reduceByKey(std::plus<>(), 2).localCheckpoint();
    rest.count();
    EXPECT_TRUE(rest.partitioner());
    EXPECT_EQ(sorted(rest.collect()), (std::vector<std::pair<int, int>>{{0, 2}, {1, 4}}));
  });
}

TEST(RddLocalCheckpoint, AReliableMarkIsOverriddenAndTheOtherWayStays) {
  Cluster cluster(Shape::kLocal4);
  const Context& sc = cluster.context();
  sc.setCheckpointDir(temporaryDirectory());
  auto rdd = sc.parallelize(upTo(4), 2).map([](int x) { return x; });
  rdd.checkpoint();
  rdd.localCheckpoint();
  rdd.checkpoint();
  rdd.count();
  EXPECT_TRUE(rdd.isCheckpointed());
  EXPECT_EQ(rdd.getCheckpointFile(), std::nullopt);
  auto written = sc.parallelize(upTo(4), 2).map([](int x) { return x; });
  written.checkpoint();
  written.count();
  EXPECT_EQ(written.localCheckpoint().getStorageLevel(), StorageLevel::NONE) << "it has been checkpointed";
  EXPECT_TRUE(written.getCheckpointFile());
}

const char* const kGone = " of its local checkpoint is gone, with the executor that held it or by unpersist, and its lineage was cut; "
                          "run the job again, with checkpoint() in place of localCheckpoint() if executors are lost";

TEST(RddLocalCheckpoint, IsGoneWithItsExecutor) {
  for (Shape shape : {Shape::kSimulated, Shape::kInProcess}) {
    SCOPED_TRACE(nameOf(shape));
    Cluster cluster(shape);
    auto rdd = cluster.context().parallelize(upTo(12), 6).map([](int x) { return x; }).localCheckpoint();
    EXPECT_EQ(rdd.sum(), 66);
    cluster.kill(1);
    std::string error = errorOf([&] { rdd.sum(); });
    EXPECT_EQ(error.rfind("map at rdd_checkpoint_test.cc:", 0), 0u) << error;
    EXPECT_NE(error.find(kGone), std::string::npos) << error;
    EXPECT_EQ(error.find('\n'), std::string::npos);
  }
}

TEST(RddLocalCheckpoint, ACopySurvivesTheLossOfAnExecutor) {
  for (Shape shape : {Shape::kSimulated, Shape::kInProcess}) {
    SCOPED_TRACE(nameOf(shape));
    Cluster cluster(shape);
    auto rdd = cluster.context().parallelize(upTo(12), 6).map([](int x) { return x; }).persist(StorageLevel::MEMORY_AND_DISK_2).localCheckpoint();
    EXPECT_EQ(rdd.sum(), 66);
    cluster.clock().advance(Seconds(1));  // copies arrive
    cluster.kill(1);
    EXPECT_EQ(rdd.sum(), 66);
  }
}

TEST(RddLocalCheckpoint, IsGoneWhenItIsUnpersisted) {
  everywhere([](const Context& sc) {
    auto rdd = sc.parallelize(upTo(4), 2).map([](int x) { return x; }).localCheckpoint();
    EXPECT_EQ(rdd.sum(), 6);
    rdd.unpersist();
    EXPECT_NE(errorOf([&] { rdd.sum(); }).find(kGone), std::string::npos);
  });
}

}  // namespace
}  // namespace sluice::testing
