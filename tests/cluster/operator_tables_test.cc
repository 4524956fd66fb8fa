// The operator tables of tests/streams on a cluster of real processes: their streams in one context, so that the daemons start once.
// Usage: operator_tables_test [loss]; `loss`: an executor is killed midway.
#include <gtest/gtest.h>

#include <cstdio>
#include <memory>
#include <string>

#include "sluice/executor_entry.h"
#include "sluice/testing.h"

namespace {

using sluice::testing::Midway;
using sluice::testing::Shape;
using sluice::testing::TablesTogether;

// Those of the programs linked here that consist of tables (or of batch jobs on any context).
constexpr const char* kTables =
    "Transformations.*:StreamGraph.MapPartitionsWithIndexAndGlom:StreamGraph.FlatMapValues:StreamGraph.PairOperationsWithPartitioners:"
    "Windows.*:WindowEdges.*:State.*:MapWithState.*:EventTime.*:RddPairs.*:RddSets.*:"
    // On clusters of their own, in this process:
    "-Transformations.ShufflesOfAStreamHaveTheDefaultParallelismUnlessTheyName:Windows.LengthMustBeAMultiple:WindowEdges.PersistIsForTheParent:"
    "WindowEdges.BothDurationsMustBeMultiples:WindowEdges.InverseFormsNeedACheckpointDirectory:WindowEdges.InverseEqualsNaiveForEverySlide:"
    "State.BeginsWithAnRdd:State.NeedsACheckpointDirectory:State.OfAnotherNumberOfPartitionsIsNotRestored:"
    "State.ThatTheApplicationDoesNotHaveIsNotDropped:Transformations.RepartitionGivesExactlySoMany:EventTime.TwoSourcesHaveAWatermarkOfTheirOwn:"
    "MapWithState.InitialStateIsThereFromTheFirstBatch:MapWithState.ErrorsSayWhatWasDone:MapWithState.StateOfAnotherTypeIsNotRestored:"
    "MapWithState.NothingIsChangedWhileTimingOut:MapWithState.TheStateStoreIsOneOfTwo:RddSets.ZipInsideTransform:"
    // With settings of their own:
    "MapWithState.OnDisk:"
    // Reads a message that says on processes which record it was:
    "RddSets.Zip";

// Opens the cluster before the tests, which add their tables, and runs all of them after the last.
class Together : public ::testing::Environment {
 public:
  explicit Together(Midway midway) : midway_(midway) {}
  void SetUp() override { tables_ = std::make_unique<TablesTogether>(Shape::kProcesses); }
  void TearDown() override {
    try {
      EXPECT_GE(tables_->size(), 1u);
      for (const std::string& wrong : tables_->run(midway_)) ADD_FAILURE() << wrong;
      std::printf("%zu tables on processes, %s\n", tables_->size(), nameOf(midway_));
    } catch (const sluice::Error& error) {
      ADD_FAILURE() << error.what();
    }
    tables_.reset();
  }

 private:
  const Midway midway_;
  std::unique_ptr<TablesTogether> tables_;
};

}  // namespace

int main(int argc, char** argv) {
  sluice::runIfExecutor(argc, argv);
  GTEST_FLAG_SET(filter, kTables);
  ::testing::InitGoogleTest(&argc, argv);
  bool loss = argc > 1 && std::string(argv[1]) == "loss";
  ::testing::AddGlobalTestEnvironment(new Together(loss ? Midway::kExecutorLoss : Midway::kNothing));
  return RUN_ALL_TESTS();
}
