#include "client/listener_bus.h"

#include <memory>
#include <utility>

namespace sluice {
namespace {

std::optional<std::int64_t> unlessZero(std::int64_t ms) { return ms == 0 ? std::nullopt : std::optional(ms); }

OutputOperationInfo outputOf(const proto::StreamEvent::Batch& batch, const proto::StreamEvent::Output& output) {
  OutputOperationInfo info;
  info.batchTime = Time(batch.when_ms()), info.id = int(output.index());
  info.name = output.name(), info.description = output.name() + " at " + output.site();
  info.startTime = unlessZero(output.started_ms()), info.endTime = unlessZero(output.ended_ms());
  if (!output.failure().empty()) info.failureReason = output.failure();
  return info;
}

BatchInfo batchOf(const proto::StreamEvent::Batch& batch) {
  BatchInfo info;
  info.batchTime = Time(batch.when_ms()), info.submissionTime = batch.submitted_ms();
  info.processingStartTime = unlessZero(batch.started_ms()), info.processingEndTime = unlessZero(batch.ended_ms());
  for (const auto& input : batch.inputs()) {
    StreamInputInfo& to = info.streamIdToInputInfo[int(input.source())];
    to.inputStreamId = int(input.source()), to.numRecords = std::int64_t(input.records()), to.name = input.name();
    for (const auto& file : input.files()) to.metadataDescription += (to.metadataDescription.empty() ? "" : "\n") + file;
  }
  for (const auto& output : batch.outputs()) {
    if (output.started_ms() != 0 || batch.ended_ms() == 0) info.outputOperationInfos[int(output.index())] = outputOf(batch, output);
  }
  return info;
}

ReceiverInfo receiverOf(const proto::StreamEvent::Receiver& receiver) {
  ReceiverInfo info;
  info.streamId = int(receiver.source()), info.name = receiver.name(), info.active = receiver.active(), info.location = receiver.host();
  if (receiver.executor() != 0) info.executorId = std::to_string(receiver.executor());
  info.lastErrorMessage = receiver.last_error();
  if (receiver.last_error_ms() != 0) info.lastErrorTime = receiver.last_error_ms();
  return info;
}

}  // namespace

bool ListenerBus::add(StreamingListener* listener) {
  return queue_.add(std::shared_ptr<void>(std::shared_ptr<void>(), listener));  // not owned
}

void ListenerBus::post(const proto::StreamEvent& event) {
  if (queue_.empty()) return;
  queue_.post([event](void* listener) { tell(event, *static_cast<StreamingListener*>(listener)); });
}

void ListenerBus::tell(const proto::StreamEvent& event, StreamingListener& l) {
  int output = int(event.output());
  switch (event.kind()) {
    case proto::StreamEvent::STARTED: return l.onStreamingStarted({event.at_ms()});
    case proto::StreamEvent::RECEIVER_STARTED: return l.onReceiverStarted({receiverOf(event.receiver())});
    case proto::StreamEvent::RECEIVER_ERROR: return l.onReceiverError({receiverOf(event.receiver())});
    case proto::StreamEvent::RECEIVER_STOPPED: return l.onReceiverStopped({receiverOf(event.receiver())});
    case proto::StreamEvent::BATCH_SUBMITTED: return l.onBatchSubmitted({batchOf(event.batch())});
    case proto::StreamEvent::BATCH_STARTED: return l.onBatchStarted({batchOf(event.batch())});
    case proto::StreamEvent::BATCH_COMPLETED: return l.onBatchCompleted({batchOf(event.batch())});
    case proto::StreamEvent::OUTPUT_STARTED:
    case proto::StreamEvent::OUTPUT_COMPLETED: {
      if (output >= event.batch().outputs_size()) return;
      OutputOperationInfo info = outputOf(event.batch(), event.batch().outputs(output));
      if (event.kind() == proto::StreamEvent::OUTPUT_STARTED) return l.onOutputOperationStarted({std::move(info)});
      return l.onOutputOperationCompleted({std::move(info)});
    }
    default: return;  // of a newer master
  }
}

}  // namespace sluice
