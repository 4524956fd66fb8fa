// Resources that executors keep for the functions of the application: made once, taken in turn or shared, closed in time.
#include <sluice/executor_resource.h>
#include <sluice/task_context.h>

#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>

#include "everywhere.h"

namespace sluice::testing {
namespace {

// Of this process, as the executors of these shapes are.
std::atomic<int> made{0}, closed{0}, used{0}, inUse{0}, mostInUse{0};
std::mutex numbersMutex;
std::set<int> numbers;  // of connections that were used

struct Connection {
  Connection() : number(++made) {}
  Connection(const Connection&) = delete;
  ~Connection() { ++closed; }
  void send() {
    int now = ++inUse;
    for (int most = mostInUse; most < now && !mostInUse.compare_exchange_weak(most, now);) {
    }
    ++used;
    std::lock_guard lock(numbersMutex);
    numbers.insert(number);
    --inUse;
  }
  const int number;
};
struct Fresh {
  Fresh() {
    made = closed = used = inUse = mostInUse = 0;
    numbers.clear();
  }
};

int executorsOf(Shape shape) { return shape == Shape::kSimulated || shape == Shape::kInProcess ? 3 : 1; }

void onShapes(const std::function<void(Cluster&)>& body) {
  for (Shape shape : {Shape::kLocal1, Shape::kLocal4, Shape::kSimulated, Shape::kInProcess}) {
    SCOPED_TRACE(nameOf(shape));
    Cluster cluster(shape);
    Fresh fresh;
    body(cluster);
  }
}

TEST(ExecutorResource, ASharedOneIsMadeOncePerExecutor) {
  onShapes([](Cluster& cluster) {
    auto numbersOf = cluster.context().parallelize(upTo(48), 12);
    for (int job = 0; job < 3; ++job) {
      numbersOf.foreachPartition([](auto& records) {
        auto connection = executorResource("shared", [] { return Connection(); }, {.shared = true});
        for ([[maybe_unused]] int x : records) connection->send();
      });
    }
    EXPECT_EQ(used, 144);
    EXPECT_EQ(made, executorsOf(cluster.shape()));
    EXPECT_EQ(int(numbers.size()), made);
    EXPECT_EQ(closed, 0);
  });
}

TEST(ExecutorResource, APooledOneIsHeldByOneTaskAtATimeAndUsedAgain) {
  onShapes([](Cluster& cluster) {
    auto rdd = cluster.context().parallelize(upTo(64), 32);
    for (int most : {1, 0}) {
      Fresh fresh;
      for (int job = 0; job < 2; ++job) {
        rdd.foreachPartition([most](auto& records) {
          auto connection = executorResource("pool-" + std::to_string(most), [] { return std::make_unique<Connection>(); }, {.most = most});
          auto moved = std::move(connection);
          for ([[maybe_unused]] int x : records) (*moved).send();
        });
      }
      int slots = cluster.shape() == Shape::kLocal1 ? 1 : cluster.shape() == Shape::kLocal4 ? 4 : 6;
      EXPECT_EQ(used, 128);
      if (most == 1) EXPECT_EQ(made, executorsOf(cluster.shape()));
      else EXPECT_LE(made, slots);
      if (most == 1 && executorsOf(cluster.shape()) == 1) EXPECT_EQ(mostInUse, 1);
    }
  });
}

TEST(ExecutorResource, IsClosedWithItsExecutor) {
  for (Shape shape : {Shape::kLocal1, Shape::kLocal4, Shape::kSimulated, Shape::kInProcess}) {
    SCOPED_TRACE(nameOf(shape));
    Fresh fresh;
    {
      Cluster cluster(shape);
      cluster.context().parallelize(upTo(12), 12).foreachPartition([](auto&) { executorResource("end", [] { return Connection(); })->send(); });
      EXPECT_EQ(closed, 0);
    }
    EXPECT_GT(made, 0);
    EXPECT_EQ(closed, made);
  }
}

// Leaves a file where it was closed.
struct Trace {
  explicit Trace(std::string path) : path(std::move(path)) { std::ofstream(this->path + "-made"); }
  Trace(const Trace&) = delete;
  ~Trace() { std::ofstream(path + "-closed"); }
  const std::string path;
};

TEST(ExecutorResource, ProcessesCloseThemBeforeTheyEnd) {
  std::string folder = temporaryDirectory();
  {
    Cluster cluster(Shape::kProcesses);
    auto path = cluster.context().broadcast(folder);
    cluster.context().parallelize(upTo(6), 6).foreachPartition([path](auto&) {
      executorResource("trace", [path] { return std::make_unique<Trace>(*path + "/" + std::to_string(::getpid())); }, {.shared = true});
    });
  }
  std::map<std::string, int> ends;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    std::string name = entry.path().filename();
    ++ends[name.substr(name.find('-'))];
  }
  EXPECT_EQ(ends, (std::map<std::string, int>{{"-made", 3}, {"-closed", 3}}));
}

TEST(ExecutorResource, IsClosedWhenNobodyUsesItForAWhile) {
  onShapes([](Cluster& cluster) {
    auto rdd = cluster.context().parallelize(upTo(12), 12);
    auto use = [&](Duration idle) {
      rdd.foreachPartition([idle](auto&) { executorResource("idle", [] { return Connection(); }, {.idle = idle})->send(); });
    };
    use(Seconds(10));
    int first = made;
    cluster.clock().advance(Seconds(9));
    EXPECT_EQ(closed, 0);
    cluster.clock().advance(Seconds(2));
    EXPECT_EQ(closed, first);
    use(Seconds(0));  // kept until the end
    EXPECT_GT(made, first);
    cluster.clock().advance(Minutes(10));
    EXPECT_EQ(closed, first);
  });
}

TEST(ExecutorResource, ADiscardedOneIsMadeAnew) {
  onShapes([](Cluster& cluster) {
    auto rdd = cluster.context().parallelize(upTo(12), 12);
    for (bool shared : {false, true}) {
      Fresh fresh;
      for (int job = 0; job < 2; ++job) {
        rdd.foreachPartition([shared](auto&) {
          auto connection = executorResource(shared ? "discarded-shared" : "discarded", [] { return Connection(); }, {.shared = shared});
          connection->send();
          connection.discard();
        });
      }
      EXPECT_EQ(used, 24);
      EXPECT_EQ(closed, made) << "none is kept";
      if (!shared || cluster.shape() == Shape::kLocal1 || cluster.shape() == Shape::kSimulated) EXPECT_EQ(made, 24);
      else EXPECT_GE(made, 2 * executorsOf(cluster.shape()));
    }
  });
}

TEST(ExecutorResource, TwoKeysAreTwoResources) {
  Cluster cluster(Shape::kLocal1);
  Fresh fresh;
  cluster.context().parallelize(upTo(4), 4).foreachPartition([](auto&) {
    auto one = executorResource("one", [] { return Connection(); });
    auto other = executorResource("other", [] { return Connection(); });
    EXPECT_NE(&*one, &*other);
  });
  EXPECT_EQ(made, 2);
}

TEST(ExecutorResource, StreamsUseThemTooFromBatchToBatch) {
  for (Shape shape : {Shape::kLocal1, Shape::kSimulated, Shape::kInProcess}) {
    SCOPED_TRACE(nameOf(shape));
    Cluster cluster(shape);
    Fresh fresh;
    cluster.input<int>({{1, 2}, {3, 4}, {5, 6}}).foreachPartition([](auto& records) {
      auto connection = executorResource("stream", [] { return Connection(); }, {.most = 1});
      for ([[maybe_unused]] int x : records) connection->send();
    });
    cluster.runBatches(3);
    EXPECT_EQ(used, 6);
    EXPECT_LE(made, executorsOf(shape));
  }
}

TEST(ExecutorResource, OtherTypesUnderOneKeyAreRefused) {
  onShapes([](Cluster& cluster) {
    auto rdd = cluster.context().parallelize(upTo(12), 12);
    rdd.foreachPartition([](auto&) { executorResource("typed", [] { return std::string("x"); }); });
    std::string error = errorOf([&] { rdd.foreachPartition([](auto&) { executorResource("typed", [] { return 1; }); }); });
    EXPECT_EQ(error.rfind("foreachPartition at executor_resource_test.cc:", 0), 0u) << error;
    EXPECT_NE(error.find("executorResource 'typed': it stands for the type std::__cxx11::basic_string<char, std::char_traits<char>, std::allocator<char> > in this "
                         "executor, and is asked for as int; use another key"),
              std::string::npos)
        << error;
  });
}

TEST(ExecutorResource, WhatMakesItMayFail) {
  onShapes([](Cluster& cluster) {
    auto rdd = cluster.context().parallelize(upTo(2), 2);
    auto failing = [&](auto make) {
      std::string error = errorOf([&] { rdd.foreachPartition([make](auto&) { executorResource("failing", make); }); });
      auto at = error.find("executorResource");
      return at == std::string::npos ? error : error.substr(at, error.find(" (at or after") - at);
    };
    EXPECT_EQ(failing([]() -> Connection { throw std::runtime_error("no route to host"); }),
              "executorResource 'failing': it could not be made: no route to host");
    EXPECT_EQ(failing([]() -> Connection { throw 1; }), "executorResource 'failing': it could not be made: its function threw something that is no std::exception");
    EXPECT_EQ(failing([] { return std::unique_ptr<Connection>(); }), "executorResource 'failing': its function gave a null pointer");
    EXPECT_EQ(made, 0);
    rdd.foreachPartition([](auto&) { executorResource("failing", [] { return Connection(); }, {.shared = true})->send(); });
    EXPECT_GT(made, 0) << "the key is free";
  });
}

TEST(ExecutorResource, ATaskThatHoldsAllOfThemIsToldSo) {
  onShapes([](Cluster& cluster) {
    std::string error = errorOf([&] {
      cluster.context().parallelize(upTo(2), 1).foreachPartition([](auto&) {
        auto first = executorResource("twice", [] { return Connection(); }, {.most = 1});
        auto second = executorResource("twice", [] { return Connection(); }, {.most = 1});
      });
    });
    EXPECT_NE(error.find("executorResource 'twice': this task holds all 1 that there may be; let go of one before it takes another, or raise `most`"),
              std::string::npos)
        << error;
  });
}

TEST(ExecutorResource, OutsideTasksThereIsNone) {
  Cluster cluster(Shape::kLocal1);
  EXPECT_EQ(errorOf([] { executorResource("driver", [] { return Connection(); }); }),
            "executorResource 'driver': executors keep resources, and no task runs on this thread; call it in a function that runs in tasks");
}

}  // namespace
}  // namespace sluice::testing
