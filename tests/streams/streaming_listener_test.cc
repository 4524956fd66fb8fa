// What listeners are told of a stream.
#include <gtest/gtest.h>

#include <sluice/streaming_listener.h>
#include <sluice/testing.h>

#include <atomic>
#include <condition_variable>
#include <fstream>
#include <mutex>
#include <stdexcept>
#include <thread>

#include "sluice/testing/batch.h"

namespace sluice {
namespace {

using testing::errorOf;
using testing::Cluster;
using testing::noRdd;
using testing::Shape;

// Keeps what it is told, a word for each event.
class Recorder : public StreamingListener {
 public:
  void onStreamingStarted(const StreamingListenerStreamingStarted& e) override { note("started", e.time > 0); }
  void onReceiverStarted(const StreamingListenerReceiverStarted& e) override { receiver("receiver started", e.receiverInfo); }
  void onReceiverError(const StreamingListenerReceiverError& e) override { receiver("receiver error", e.receiverInfo); }
  void onReceiverStopped(const StreamingListenerReceiverStopped& e) override { receiver("receiver stopped", e.receiverInfo); }
  void onBatchSubmitted(const StreamingListenerBatchSubmitted& e) override { batch("submitted", e.batchInfo); }
  void onBatchStarted(const StreamingListenerBatchStarted& e) override { batch("begun", e.batchInfo); }
  void onBatchCompleted(const StreamingListenerBatchCompleted& e) override { batch("completed", e.batchInfo); }
  void onOutputOperationStarted(const StreamingListenerOutputOperationStarted& e) override { output("output begun", e.outputOperationInfo); }
  void onOutputOperationCompleted(const StreamingListenerOutputOperationCompleted& e) override { output("output ended", e.outputOperationInfo); }

  std::vector<std::string> words() {
    std::lock_guard lock(mutex_);
    return words_;
  }
  std::vector<BatchInfo> completed() {
    std::lock_guard lock(mutex_);
    return completed_;
  }
  std::vector<ReceiverInfo> receivers() {
    std::lock_guard lock(mutex_);
    return receivers_;
  }
  std::vector<OutputOperationInfo> outputs() {
    std::lock_guard lock(mutex_);
    return outputs_;
  }
  void waitFor(const std::string& word, int times = 1) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return std::count(words_.begin(), words_.end(), word) >= times; });
  }

 protected:
  void note(const std::string& word, bool good = true) {
    std::lock_guard lock(mutex_);
    if (thread_ == std::thread::id()) thread_ = std::this_thread::get_id();
    words_.push_back(good && thread_ == std::this_thread::get_id() ? word : "wrong " + word);
    changed_.notify_all();
  }

 private:
  void receiver(const std::string& word, const ReceiverInfo& info) {
    {
      std::lock_guard lock(mutex_);
      receivers_.push_back(info);
    }
    note(word);
  }
  void batch(const std::string& word, const BatchInfo& info) {
    if (word == "completed") {
      std::lock_guard lock(mutex_);
      completed_.push_back(info);
    }
    bool begun = info.processingStartTime.has_value(), over = info.processingEndTime.has_value();
    note(word, info.submissionTime > 0 && begun == (word != "submitted") && over == (word == "completed"));
  }
  void output(const std::string& word, const OutputOperationInfo& info) {
    {
      std::lock_guard lock(mutex_);
      outputs_.push_back(info);
    }
    note(word + " " + std::to_string(info.id), info.startTime && info.endTime.has_value() == (word == "output ended"));
  }
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> words_;
  std::vector<BatchInfo> completed_;
  std::vector<ReceiverInfo> receivers_;
  std::vector<OutputOperationInfo> outputs_;
  std::thread::id thread_;
};

TEST(StreamingListeners, AreToldOfEachBatchInOrder) {
  for (Shape shape : {Shape::kLocal1, Shape::kLocal4, Shape::kSimulated, Shape::kInProcess}) {
    Recorder recorder;
    Cluster cluster(shape);
    auto numbers = cluster.input<int>({{1, 2, 3}, {}, {4}});
    numbers.print();
    numbers.foreachRDD([](const RDD<int>& rdd) { rdd.count(); });
    cluster.streaming().addStreamingListener(recorder);
    std::int64_t start = cluster.clock().now().milliseconds() / 1000 * 1000;
    cluster.runBatches(3);
    recorder.waitFor("completed", 3);
    std::vector<std::string> wanted = {"started"};
    for (int i = 0; i < 3; ++i) {
      for (const char* word : {"submitted", "begun", "output begun 0", "output ended 0", "output begun 1", "output ended 1", "completed"}) wanted.push_back(word);
    }
    EXPECT_EQ(recorder.words(), wanted) << nameOf(shape);
    auto batches = recorder.completed();
    for (int i = 0; i < 3; ++i) {
      const BatchInfo& batch = batches[std::size_t(i)];
      EXPECT_EQ(batch.batchTime.milliseconds(), start + 1000 * (i + 1));
      EXPECT_EQ(batch.numRecords(), i == 0 ? 3 : i == 1 ? 0 : 1);
      ASSERT_EQ(batch.streamIdToInputInfo.size(), 1u);
      EXPECT_EQ(batch.streamIdToInputInfo.at(0).name.find("input at streaming_listener_test.cc:"), 0u) << batch.streamIdToInputInfo.at(0).name;
      EXPECT_GE(*batch.schedulingDelay(), 0);
      EXPECT_GE(*batch.processingDelay(), 0);
      EXPECT_EQ(*batch.totalDelay(), *batch.schedulingDelay() + *batch.processingDelay());
      ASSERT_EQ(batch.outputOperationInfos.size(), 2u);
      const auto& print = batch.outputOperationInfos.at(0);
      EXPECT_EQ(print.name, "print");
      EXPECT_EQ(print.description.find("print at streaming_listener_test.cc:"), 0u) << print.description;
      EXPECT_EQ(print.batchTime, batch.batchTime);
      EXPECT_TRUE(print.duration());
      EXPECT_FALSE(print.failureReason);
      EXPECT_EQ(batch.outputOperationInfos.at(1).name, "foreachRDD");
    }
  }
}

TEST(StreamingListeners, AreToldOfOutputsOnTheirSlideOnly) {
  Recorder recorder;
  Cluster cluster(Shape::kLocal1);
  auto numbers = cluster.input<int>({{1}, {2}, {3}, {4}});
  numbers.window(Seconds(2), Seconds(2)).print();
  cluster.streaming().addStreamingListener(recorder);
  cluster.runBatches(4);
  recorder.waitFor("completed", 4);
  auto words = recorder.words();
  EXPECT_EQ(std::count(words.begin(), words.end(), "output ended 0"), 2);
  EXPECT_TRUE(recorder.completed()[0].outputOperationInfos.empty());
  EXPECT_EQ(recorder.completed()[1].outputOperationInfos.size(), 1u);
}

TEST(StreamingListeners, HearWhatFailed) {
  Recorder recorder;
  Cluster cluster(Shape::kLocal4);
  auto numbers = cluster.input<int>({{1}, {2}});
  numbers.map([](int n) {
    if (n == 1) throw std::runtime_error("one is too few");
    return n;
  }).print();
  numbers.foreachRDD([](const RDD<int>& rdd) {
    if (rdd.first() == 2) throw std::runtime_error("two is too many");
  });
  cluster.streaming().addStreamingListener(recorder);
  EXPECT_NE(errorOf([&] { cluster.runBatches(1); }).find("one is too few"), std::string::npos);
  EXPECT_NE(errorOf([&] { cluster.runBatches(1); }).find("two is too many"), std::string::npos);
  recorder.waitFor("completed", 2);
  auto batches = recorder.completed();
  EXPECT_NE(batches[0].outputOperationInfos.at(0).failureReason->find("one is too few"), std::string::npos);
  EXPECT_FALSE(batches[0].outputOperationInfos.at(1).failureReason);
  EXPECT_FALSE(batches[1].outputOperationInfos.at(0).failureReason);
  EXPECT_NE(batches[1].outputOperationInfos.at(1).failureReason->find("two is too many"), std::string::npos);
}

// Stores, reports an error, stops by itself.
struct Brief : Receiver<int> {
  void onStart() override {
    for (int i = 0; i < 7; ++i) store(i);
    reportError("it is a bit slow");
    stop("enough");
  }
};

TEST(StreamingListeners, AreToldOfReceivers) {
  Recorder recorder;
  StreamingContext ssc(Conf().setMaster("local[2]").setAppName("test"), Milliseconds(50));
  ssc.receiverStream<Brief>().print();
  ssc.addStreamingListener(recorder);
  ssc.start();
  recorder.waitFor("receiver stopped");
  std::int64_t records = 0;
  while (records < 7) {
    recorder.waitFor("completed", int(recorder.completed().size()) + 1);
    records = 0;
    for (const auto& batch : recorder.completed()) records += batch.numRecords();
  }
  ssc.stop();
  auto words = recorder.words();
  EXPECT_EQ(words[0], "started");
  EXPECT_EQ(words[1], "receiver started");
  auto receivers = recorder.receivers();
  ASSERT_GE(receivers.size(), 3u);
  EXPECT_EQ(receivers[0].name.find("receiverStream"), 0u);
  EXPECT_TRUE(receivers[0].active);
  EXPECT_EQ(receivers[0].location, "localhost");
  EXPECT_EQ(receivers[0].executorId, "1");
  EXPECT_EQ(receivers[0].lastErrorTime, -1);
  EXPECT_NE(receivers[1].lastErrorMessage.find("it is a bit slow"), std::string::npos) << receivers[1].lastErrorMessage;
  EXPECT_GT(receivers[1].lastErrorTime, 0);
  EXPECT_FALSE(receivers.back().active);
}

TEST(StreamingListeners, ThatThrowHurtNobody) {
  struct Thrower : StreamingListener {
    void onBatchSubmitted(const StreamingListenerBatchSubmitted&) override { throw std::runtime_error("no more batches"); }
    void onBatchStarted(const StreamingListenerBatchStarted&) override { throw 5; }
  } thrower;
  Recorder recorder;
  Cluster cluster(Shape::kLocal4);
  auto got = cluster.collect(cluster.input<int>({{1}, {2}}));
  cluster.streaming().addStreamingListener(thrower);
  cluster.streaming().addStreamingListener(recorder);
  ::testing::internal::CaptureStderr();
  cluster.runBatches(2);
  recorder.waitFor("completed", 2);
  std::string said = ::testing::internal::GetCapturedStderr();
  EXPECT_NE(said.find("sluice: a StreamingListener threw: no more batches\n"), std::string::npos) << said;
  EXPECT_NE(said.find("sluice: a StreamingListener threw something that is no std::exception\n"), std::string::npos) << said;
  EXPECT_EQ(got->size(), 2u);
}

TEST(StreamingListeners, ComeAndGoWhileTheStreamRuns) {
  Recorder early, late;
  Cluster cluster(Shape::kLocal4);
  cluster.input<int>({{1}, {2}, {3}, {4}}).print();
  cluster.runBatches(1);
  cluster.streaming().addStreamingListener(early);
  cluster.streaming().addStreamingListener(early);  // once is enough
  cluster.runBatches(1);
  early.waitFor("completed", 1);
  cluster.streaming().addStreamingListener(late);
  cluster.streaming().removeStreamingListener(early);
  cluster.runBatches(1);
  late.waitFor("completed", 1);
  cluster.streaming().removeStreamingListener(late);
  cluster.streaming().removeStreamingListener(late);
  cluster.runBatches(1);
  cluster.streaming().stop(false);
  EXPECT_EQ(early.completed().size(), 1u);
  EXPECT_EQ(late.completed().size(), 1u);
}

TEST(StreamingListeners, HearNothingAfterTheStop) {
  for (bool gracefully : {false, true}) {
    Recorder recorder;
    StreamingContext ssc(Conf().setMaster("local[2]").setAppName("test"), Milliseconds(20));
    RDDQueue<int> queue;
    queue.push(ssc.context().parallelize({1, 2, 3}));
    ssc.queueStream(queue).print();
    ssc.addStreamingListener(recorder);
    ssc.start();
    recorder.waitFor("completed", 2);
    ssc.stop(true, gracefully);
    auto words = recorder.words();
    if (gracefully) {
      EXPECT_EQ(words.back(), "completed") << "what was processed is told";
    }
    std::this_thread::yield();
    EXPECT_EQ(recorder.words(), words);
  }
}

TEST(StreamingListeners, CannotStopTheStreamTheyListenTo) {
  struct Stopper : Recorder {
    StreamingContext* ssc = nullptr;
    std::vector<std::string> said;
    void onBatchCompleted(const StreamingListenerBatchCompleted&) override {
      for (bool gracefully : {false, true}) said.push_back(errorOf([&] { ssc->stop(true, gracefully); }));
      note("refused");
    }
  } stopper;
  StreamingContext ssc(Conf().setMaster("local[2]").setAppName("test"), Milliseconds(20));
  stopper.ssc = &ssc;
  RDDQueue<int> queue;
  ssc.queueStream(queue).print();
  ssc.addStreamingListener(stopper);
  ssc.start();
  stopper.waitFor("refused");
  EXPECT_EQ(ssc.getState(), StreamingContextState::kActive);
  ssc.stop();
  EXPECT_EQ(stopper.said[0], "stop() inside a StreamingListener would wait for itself; stop from another thread");
  EXPECT_EQ(stopper.said[1], stopper.said[0]);
}

TEST(StreamingListeners, OfFilesHearTheirNames) {
  std::string directory = testing::temporaryDirectory();
  Recorder recorder;
  StreamingContext ssc(Conf().setMaster("local[2]").setAppName("test"), Milliseconds(50));
  ssc.textFileStream(directory, false).print();
  ssc.addStreamingListener(recorder);
  std::ofstream(directory + "/words.txt") << "one\ntwo\n";
  ssc.start();
  std::string names;
  while (names.empty()) {
    recorder.waitFor("completed", int(recorder.completed().size()) + 1);
    for (const auto& batch : recorder.completed()) names += batch.streamIdToInputInfo.at(0).metadataDescription;
  }
  ssc.stop();
  EXPECT_EQ(names, directory + "/words.txt");
}

// ---- StatsReportListener ----

StreamingListenerBatchCompleted batchOf(std::int64_t scheduling, std::int64_t processing) {
  BatchInfo info;
  info.submissionTime = 1'000'000;
  info.processingStartTime = info.submissionTime + scheduling, info.processingEndTime = *info.processingStartTime + processing;
  return {info};
}

TEST(StatsReport, ShowsPercentilesOfTheLastBatches) {
  StatsReportListener stats(4);
  EXPECT_TRUE(stats.report().empty());
  for (std::int64_t ms : {900'000, 100, 300, 200, 1500}) stats.onBatchCompleted(batchOf(0, ms));
  EXPECT_EQ(stats.report(),
            (std::vector<std::string>{"Total delay: (count: 4, mean: 525.000000, stdev: 567.340286, max: 1500.000000, min: 100.000000)",
                                      "\t0%\t5%\t10%\t25%\t50%\t75%\t90%\t95%\t100%",
                                      "\t100.0 ms\t100.0 ms\t100.0 ms\t200.0 ms\t300.0 ms\t1.5 s\t1.5 s\t1.5 s\t1.5 s",
                                      "Processing time: (count: 4, mean: 525.000000, stdev: 567.340286, max: 1500.000000, min: 100.000000)",
                                      "\t0%\t5%\t10%\t25%\t50%\t75%\t90%\t95%\t100%",
                                      "\t100.0 ms\t100.0 ms\t100.0 ms\t200.0 ms\t300.0 ms\t1.5 s\t1.5 s\t1.5 s\t1.5 s"}));
}

TEST(StatsReport, UsesUnitsThatFit) {
  StatsReportListener stats(1);
  stats.onBatchCompleted(batchOf(90'000, 2 * 3'600'000));
  auto report = stats.report();
  EXPECT_NE(report[2].find("\t2.0 hours"), std::string::npos) << report[2];
  stats.onBatchCompleted(batchOf(0, 90'000));
  EXPECT_NE(stats.report()[2].find("\t1.5 min"), std::string::npos);
}

TEST(StatsReport, LogsAfterEachBatch) {
  StatsReportListener stats;
  ::testing::internal::CaptureStderr();
  stats.onBatchCompleted(batchOf(5, 20));
  std::string said = ::testing::internal::GetCapturedStderr();
  EXPECT_EQ(said.find("sluice: Total delay: (count: 1, mean: 25.000000"), 0u) << said;
  EXPECT_NE(said.find("\nsluice: Processing time: (count: 1, mean: 20.000000"), std::string::npos) << said;
}

}  // namespace
}  // namespace sluice
