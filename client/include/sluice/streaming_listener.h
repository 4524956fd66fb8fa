// What happens to a stream, for those who want to know: StreamingContext::addStreamingListener. As Spark's; times are milliseconds since
// 1970 by the master's clock.
#pragma once
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "sluice/abi.h"
#include "sluice/time.h"

namespace sluice {
inline namespace SLUICE_ABI {

// What an input gave to a batch.
struct StreamInputInfo {
  int inputStreamId = 0;  // inputs are numbered from 0 in the order in which they were defined
  std::int64_t numRecords = 0;  // of files it is not known beforehand: 0
  std::string name;             // "socketTextStream at main.cc:12"
  std::string metadataDescription;  // of files: their names, one a line
};

// An output operation within a batch: print, saveAsTextFiles, foreachRDD …
struct OutputOperationInfo {
  Time batchTime;
  int id = 0;  // outputs are numbered from 0 in the order in which they were defined
  std::string name;         // "print"
  std::string description;  // "print at main.cc:12"
  std::optional<std::int64_t> startTime, endTime;
  std::optional<std::string> failureReason;
  std::optional<std::int64_t> duration() const {
    return startTime && endTime ? std::optional(*endTime - *startTime) : std::nullopt;
  }
};

struct BatchInfo {
  Time batchTime;
  std::map<int, StreamInputInfo> streamIdToInputInfo;
  std::int64_t submissionTime = 0;  // when its inputs were chosen
  std::optional<std::int64_t> processingStartTime, processingEndTime;
  std::map<int, OutputOperationInfo> outputOperationInfos;
  // How long it waited for the batches before it; how long it took; both together.
  std::optional<std::int64_t> schedulingDelay() const {
    return processingStartTime ? std::optional(*processingStartTime - submissionTime) : std::nullopt;
  }
  std::optional<std::int64_t> processingDelay() const {
    return processingStartTime && processingEndTime ? std::optional(*processingEndTime - *processingStartTime) : std::nullopt;
  }
  std::optional<std::int64_t> totalDelay() const {
    return processingEndTime ? std::optional(*processingEndTime - submissionTime) : std::nullopt;
  }
  std::int64_t numRecords() const {
    std::int64_t sum = 0;
    for (const auto& [id, input] : streamIdToInputInfo) sum += input.numRecords;
    return sum;
  }
};

struct ReceiverInfo {
  int streamId = 0;
  std::string name;
  bool active = false;
  std::string location;    // host
  std::string executorId;
  std::string lastErrorMessage;
  std::int64_t lastErrorTime = -1;
};

struct StreamingListenerStreamingStarted { std::int64_t time = 0; };
struct StreamingListenerReceiverStarted { ReceiverInfo receiverInfo; };
struct StreamingListenerReceiverError { ReceiverInfo receiverInfo; };
struct StreamingListenerReceiverStopped { ReceiverInfo receiverInfo; };
struct StreamingListenerBatchSubmitted { BatchInfo batchInfo; };
struct StreamingListenerBatchStarted { BatchInfo batchInfo; };
struct StreamingListenerBatchCompleted { BatchInfo batchInfo; };
struct StreamingListenerOutputOperationStarted { OutputOperationInfo outputOperationInfo; };
struct StreamingListenerOutputOperationCompleted { OutputOperationInfo outputOperationInfo; };

// Called on one thread of the driver, one event after the other, in the order in which things happened; what happens while the driver and
// the master have no connection is not told. A listener that throws is logged, and told of the next event all the same. One that is slow
// delays the others, but not the stream.
class SLUICE_EXPORT StreamingListener {
 public:
  virtual ~StreamingListener();
  virtual void onStreamingStarted(const StreamingListenerStreamingStarted&) {}
  virtual void onReceiverStarted(const StreamingListenerReceiverStarted&) {}
  virtual void onReceiverError(const StreamingListenerReceiverError&) {}
  virtual void onReceiverStopped(const StreamingListenerReceiverStopped&) {}
  virtual void onBatchSubmitted(const StreamingListenerBatchSubmitted&) {}
  virtual void onBatchStarted(const StreamingListenerBatchStarted&) {}
  // Published, and all functions of the driver have run.
  virtual void onBatchCompleted(const StreamingListenerBatchCompleted&) {}
  virtual void onOutputOperationStarted(const StreamingListenerOutputOperationStarted&) {}
  virtual void onOutputOperationCompleted(const StreamingListenerOutputOperationCompleted&) {}
};

// Logs with each batch how long the last ones took: percentiles of the total delay and of the processing time.
class SLUICE_EXPORT StatsReportListener : public StreamingListener {
 public:
  explicit StatsReportListener(int numBatchInfos = 10) : most_(numBatchInfos) {}
  void onBatchCompleted(const StreamingListenerBatchCompleted& completed) override;
  // The lines; empty before the first batch.
  std::vector<std::string> report() const;

 private:
  const int most_;
  std::deque<BatchInfo> batches_;
};

}  // inline namespace SLUICE_ABI
}  // namespace sluice
