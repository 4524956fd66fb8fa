// mapWithState: Spark's tables, timeouts, snapshots, faults; and that what is not touched is not looked at.
#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "sluice/testing.h"

namespace {

using sluice::Seconds;
using sluice::State;
using sluice::StateSpec;
using sluice::Time;
using sluice::testing::Batches;
using sluice::testing::Cluster;
using sluice::testing::expectBatches;
using sluice::testing::How;
using sluice::testing::Midway;
using sluice::testing::errorOf;
using sluice::testing::Shape;
using Count = std::pair<std::string, int>;

How everywhere(std::vector<Midway> midway = {Midway::kNothing}) {
  How how;
  how.checkpoint = true;
  how.midway = std::move(midway);
  return how;
}

// A running count; gives the key with its count after each record.
constexpr auto kCount = [](std::string_view key, std::optional<int> value, State<int>& state) {
  int sum = state.getOption().value_or(0) + value.value_or(0);
  state.update(sum);
  return std::pair(std::string(key), sum);
};

TEST(MapWithState, OneRecordForEachRecord) {
  expectBatches<Count, Count>({{{"a", 1}}, {{"a", 1}, {"b", 1}, {"a", 1}}, {}, {{"b", 5}}},
                              [](auto s) { return s.mapWithState(StateSpec::function(kCount)); },
                              {{{"a", 1}}, {{"a", 2}, {"a", 3}, {"b", 1}}, {}, {{"b", 6}}}, everywhere());
}

TEST(MapWithState, SnapshotsHoldEveryKey) {
  expectBatches<Count, Count>({{{"a", 1}}, {{"a", 2}, {"b", 3}}, {}, {{"c", 1}}},
                              [](auto s) { return s.mapWithState(StateSpec::function(kCount)).stateSnapshots(); },
                              {{{"a", 1}}, {{"a", 3}, {"b", 3}}, {{"a", 3}, {"b", 3}}, {{"a", 3}, {"b", 3}, {"c", 1}}},
                              everywhere({Midway::kNothing, Midway::kExecutorLoss, Midway::kRestore}));
}

TEST(MapWithState, SurvivesTheLossOfAnExecutorAndARestore) {
  How how = everywhere({Midway::kExecutorLoss, Midway::kRestore});
  Batches<Count> in, want;
  int sums[7] = {};
  for (int t = 0; t < 24; ++t) {
    std::vector<Count> records, results;
    for (int i = 0; i < 5; ++i) {
      int key = (t * 5 + i * 3) % 7;
      records.emplace_back("k" + std::to_string(key), t);
      results.emplace_back("k" + std::to_string(key), sums[key] += t);
    }
    in.push_back(records), want.push_back(results);
  }
  expectBatches<Count, Count>(in, [](auto s) { return s.mapWithState(StateSpec::function(kCount).numPartitions(3)); }, want, how);
}

TEST(MapWithState, OnDisk) {
  How how = everywhere({Midway::kNothing, Midway::kExecutorLoss, Midway::kRestore});
  how.conf.set("sluice.streaming.stateStore", "rocksdb");
  Batches<Count> in, mapped, states;
  std::map<std::string, int> sums;
  for (int t = 0; t < 12; ++t) {
    std::vector<Count> records, results;
    for (int i = 0; i < 20; ++i) {
      std::string key = "k" + std::to_string((t * 20 + i * 7) % 90);
      records.emplace_back(key, t);
      results.emplace_back(key, sums[key] += t);
    }
    in.push_back(records), mapped.push_back(results), states.push_back(std::vector<Count>(sums.begin(), sums.end()));
  }
  expectBatches<Count, Count>(in, [](auto s) { return s.mapWithState(StateSpec::function(kCount).numPartitions(3)); }, mapped, how);
  expectBatches<Count, Count>(in, [](auto s) { return s.mapWithState(StateSpec::function(kCount)).stateSnapshots(); }, states, how);
  Batches<Count> idle{{{"a", 1}, {"b", 1}}, {{"b", 1}}, {}, {}, {}, {{"a", 7}}};
  auto op = [](auto s) {
    return s.mapWithState(StateSpec::function([](std::string_view key, std::optional<int> value, State<int>& state) {
                            if (state.isTimingOut()) return std::string(key) + " out " + std::to_string(state.get());
                            state.update(state.getOption().value_or(0) + *value);
                            return std::string(key) + std::to_string(state.get());
                          }).timeout(Seconds(2)));
  };
  expectBatches<Count, std::string>(idle, op, {{"a1", "b1"}, {"b2"}, {}, {"a out 1"}, {"b out 2"}, {"a7"}}, how);
}

TEST(MapWithState, TheStateStoreIsOneOfTwo) {
  std::string error;
  try {
    Cluster cluster(Shape::kLocal4, Seconds(1), sluice::Conf().set("sluice.streaming.stateStore", "disk"));
    cluster.context();
  } catch (const sluice::Error& e) {
    error = e.what();
  }
  EXPECT_NE(error.find("sluice.streaming.stateStore is 'disk'; it must be memory or rocksdb"), std::string::npos) << error;
}

TEST(MapWithState, WithTimeAndOptionalResults) {
  expectBatches<Count, std::string>(
      {{{"a", 1}, {"b", 2}}, {{"a", 3}}},
      [](auto s) {
        return s.mapWithState(StateSpec::function([](Time t, const std::string& key, std::optional<int> value, State<long>& state) -> std::optional<std::string> {
          if (t.milliseconds() % 1000 != 0) return "no batch time";
          state.edit() += *value;
          if (*value == 2) return std::nullopt;
          return key + std::to_string(state.get());
        }));
      },
      {{"a1"}, {"a4"}}, everywhere());
}

TEST(MapWithState, AGenericFunctionNamesItsState) {
  expectBatches<Count, int>({{{"a", 1}}, {{"a", 2}}},
                            [](auto s) {
                              return s.mapWithState(StateSpec::function<int>([](auto, auto value, auto& state) {
                                state.update(*value + (state.exists() ? state.get() : 10));
                                return state.get();
                              }));
                            },
                            {{11}, {13}}, everywhere());
}

TEST(MapWithState, StatesPrint) {
  expectBatches<Count, std::string>({{{"a", 1}}, {{"a", 2}}},
                                    [](auto s) {
                                      return s.mapWithState(StateSpec::function([](std::string_view, std::optional<int> value, State<std::optional<int>>& state) {
                                        std::string before = state.toString();
                                        state.update(value);
                                        return before;
                                      }));
                                    },
                                    {{"<state not set>"}, {"Some(1)"}}, everywhere());
}

TEST(MapWithState, RemovedKeysBeginAgain) {
  expectBatches<Count, Count>(
      {{{"a", 1}, {"b", 1}}, {{"a", -1}, {"a", 5}}, {{"b", -1}}, {{"b", 2}}},
      [](auto s) {
        return s
            .mapWithState(StateSpec::function([](std::string_view key, std::optional<int> value, State<int>& state) {
              if (*value < 0) state.remove();
              else state.update(state.getOption().value_or(0) + *value);
              return std::pair(std::string(key), state.exists() ? state.get() : -1);
            }))
            .stateSnapshots();
      },
      {{{"a", 1}, {"b", 1}}, {{"a", 5}, {"b", 1}}, {{"a", 5}}, {{"a", 5}, {"b", 2}}}, everywhere());
}

TEST(MapWithState, IdleKeysTimeOutOnce) {
  // Idle: last written STRICTLY before batch time - timeout. "a" gets its record at 1 s; 3 s later it is not yet too old, 4 s later it is.
  Batches<Count> in{{{"a", 1}, {"b", 1}}, {{"b", 1}}, {{"b", 1}}, {{"b", 1}}, {{"b", 1}}, {{"a", 7}}};
  auto op = [](auto s) {
    return s.mapWithState(StateSpec::function([](std::string_view key, std::optional<int> value, State<int>& state) {
                            if (state.isTimingOut()) return std::string(key) + " out " + std::to_string(state.get());
                            state.update(state.getOption().value_or(0) + *value);
                            return std::string(key) + std::to_string(state.get());
                          }).timeout(Seconds(3)));
  };
  expectBatches<Count, std::string>(in, op, {{"a1", "b1"}, {"b2"}, {"b3"}, {"b4"}, {"b5", "a out 1"}, {"a7"}},
                                    everywhere({Midway::kNothing, Midway::kExecutorLoss, Midway::kRestore}));
}

TEST(MapWithState, ARecordRefreshesTheTimeEvenWithoutAnUpdate) {
  Batches<Count> in{{{"a", 1}}, {{"a", 0}}, {{"a", 0}}, {{"a", 0}}, {}, {}, {}};
  auto op = [](auto s) {
    return s.mapWithState(StateSpec::function([](std::string_view, std::optional<int> value, State<int>& state) {
                            if (state.isTimingOut()) return -state.get();
                            if (*value > 0) state.update(*value);  // 0 looks only, and must not create a state
                            return *value;
                          }).timeout(Seconds(2)));
  };
  expectBatches<Count, int>(in, op, {{1}, {0}, {0}, {0}, {}, {}, {-1}}, everywhere());
}

TEST(MapWithState, InitialStateIsThereFromTheFirstBatch) {
  for (Shape shape : {Shape::kLocal1, Shape::kLocal4, Shape::kSimulated, Shape::kInProcess}) {
    SCOPED_TRACE(nameOf(shape));
    auto directory = sluice::testing::temporaryDirectory();
    Cluster cluster(shape, Seconds(1), sluice::Conf().set("sluice.streaming.checkpoint.directory", directory));
    auto initial = cluster.streaming().context().parallelize(std::vector<Count>{{"a", 10}, {"z", 20}}, 3);
    auto mapped = cluster.input<Count>({{{"a", 1}}, {{"b", 1}}}).mapWithState(StateSpec::function(kCount).initialState(initial).numPartitions(2));
    auto got = cluster.collect(mapped);
    auto states = cluster.collect(mapped.stateSnapshots());
    cluster.runBatches(2);
    auto sorted = [](auto records) {
      std::sort(records.begin(), records.end());
      return records;
    };
    EXPECT_EQ((*got)[0].records(), (std::vector<Count>{{"a", 11}}));
    EXPECT_EQ((*got)[1].records(), (std::vector<Count>{{"b", 1}}));
    EXPECT_EQ(sorted((*states)[0].records()), (std::vector<Count>{{"a", 11}, {"z", 20}}));
    EXPECT_EQ(sorted((*states)[1].records()), (std::vector<Count>{{"a", 11}, {"b", 1}, {"z", 20}}));
    EXPECT_EQ((*states)[1].parts->size(), 2u);
  }
}

TEST(MapWithState, ByAPartitionerOfTheApplication) {
  sluice::Partitioner<std::string> by(2, [](std::string_view key) { return key == "a" ? 0 : 1; });
  expectBatches<Count, Count>({{{"a", 1}, {"b", 1}, {"c", 1}}},
                              [by](auto s) { return s.mapWithState(StateSpec::function(kCount).partitioner(by)).stateSnapshots(); },
                              {sluice::testing::partitions<Count>({{{"a", 1}}, {{"b", 1}, {"c", 1}}})}, everywhere());
}

TEST(MapWithState, WindowsAndOtherOperationsFollow) {
  expectBatches<Count, std::int64_t>({{{"a", 1}}, {{"a", 2}, {"b", 3}}, {}, {{"c", 1}}},
                                     [](auto s) { return s.mapWithState(StateSpec::function(kCount)).window(Seconds(2)).count(); }, {{1}, {3}, {2}, {1}}, everywhere());
}

// ---- errors ----

std::string errorOfBatch(auto function) {
  return errorOf([&] {
    Cluster cluster(Shape::kLocal4, Seconds(1), sluice::Conf().set("sluice.streaming.checkpoint.directory", sluice::testing::temporaryDirectory()));
    cluster.input<Count>({{{"a", 1}}}).mapWithState(StateSpec::function(function)).print();
    cluster.runBatches(1);
  });
}

TEST(MapWithState, ErrorsSayWhatWasDone) {
  EXPECT_NE(errorOfBatch([](std::string_view, std::optional<int>, State<int>& state) { return state.get(); }).find("State::get: the state is not set"), std::string::npos);
  EXPECT_NE(errorOfBatch([](std::string_view, std::optional<int>, State<int>& state) {
              state.update(1), state.remove(), state.update(2);
              return 0;
            }).find("State::update: the state was removed in this call"), std::string::npos);
  EXPECT_NE(errorOf([] { StateSpec::function(kCount).timeout(Seconds(0)); }).find("it must be above 0"), std::string::npos);
  EXPECT_NE(errorOf([] {
              Cluster cluster(Shape::kLocal4);
              cluster.input<Count>({{{"a", 1}}}).mapWithState(StateSpec::function(kCount)).print();
              cluster.runBatches(1);
            }).find("keeps state, which needs a checkpoint directory"), std::string::npos);
}

TEST(MapWithState, StateOfAnotherTypeIsNotRestored) {
  std::string directory = sluice::testing::temporaryDirectory();
  Cluster cluster(Shape::kLocal4);
  auto define = [&](Cluster& c, auto function) {
    c.streaming().checkpoint(directory);
    c.input<Count>({{{"a", 1}}, {{"a", 2}}}).mapWithState(StateSpec::function(function)).print();
  };
  define(cluster, kCount);
  cluster.runBatches(1);
  std::string error = errorOf([&] {
    cluster.stopAndRestore([&](Cluster& c) {
      define(c, [](std::string_view, std::optional<int> value, State<double>& state) {
        state.update(*value);
        return *value;
      });
    });
    cluster.runBatches(1);
  });
  EXPECT_NE(error.find("is of pair<string,int>, and the application's of pair<string,double>"), std::string::npos) << error;
}

TEST(MapWithState, NothingIsChangedWhileTimingOut) {
  std::string error = errorOf([] {
    Cluster cluster(Shape::kLocal4, Seconds(1), sluice::Conf().set("sluice.streaming.checkpoint.directory", sluice::testing::temporaryDirectory()));
    cluster.input<Count>({{{"a", 1}}}).mapWithState(StateSpec::function([](std::string_view, std::optional<int>, State<int>& state) {
             state.update(1);
             return 0;
           }).timeout(Seconds(1))).print();
    cluster.runBatches(4);
  });
  EXPECT_NE(error.find("State::update: the key is timing out"), std::string::npos) << error;
}

}  // namespace
