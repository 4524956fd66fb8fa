#include "client/listener_bus.h"

#include <algorithm>

#include "client/log.h"

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
  std::lock_guard lock(mutex_);
  if (std::find(listeners_.begin(), listeners_.end(), listener) != listeners_.end()) return false;
  listeners_.push_back(listener);
  return true;
}

bool ListenerBus::remove(StreamingListener* listener) {
  std::unique_lock lock(mutex_);
  bool was = std::erase(listeners_, listener) > 0;
  if (std::this_thread::get_id() != id_) changed_.wait(lock, [&] { return called_ != listener; });
  return was;
}

bool ListenerBus::empty() const {
  std::lock_guard lock(mutex_);
  return listeners_.empty();
}

ListenerBus::~ListenerBus() {
  close();
  if (thread_.joinable()) thread_.detach();  // a listener let go of the last handle
}

bool ListenerBus::isMine() const {
  std::lock_guard lock(mutex_);
  return std::this_thread::get_id() == id_;
}

void ListenerBus::post(const proto::StreamEvent& event) {
  std::lock_guard lock(mutex_);
  if (closed_ || listeners_.empty()) return;
  queue_.push_back(event);
  if (!thread_.joinable()) {
    thread_ = std::thread([this] { loop(); });
    id_ = thread_.get_id();
  }
  changed_.notify_all();
}

void ListenerBus::close() {
  std::unique_lock lock(mutex_);
  closed_ = true;
  changed_.notify_all();
  if (!thread_.joinable() || std::this_thread::get_id() == id_) return;
  std::thread ending = std::move(thread_);
  lock.unlock();
  ending.join();
}

void ListenerBus::loop() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [&] { return closed_ || !queue_.empty(); });
    if (queue_.empty()) return;
    proto::StreamEvent event = std::move(queue_.front());
    queue_.pop_front();
    lock.unlock();
    tell(event);
    lock.lock();
  }
}

void ListenerBus::call(StreamingListener* listener, const std::function<void(StreamingListener&)>& what) {
  {
    std::lock_guard lock(mutex_);
    if (std::find(listeners_.begin(), listeners_.end(), listener) == listeners_.end()) return;  // removed meanwhile
    called_ = listener;
  }
  try {
    what(*listener);
  } catch (const std::exception& e) {
    logLine(LogLevel::kError, std::string("a StreamingListener threw: ") + e.what());
  } catch (...) {
    logLine(LogLevel::kError, "a StreamingListener threw something that is no std::exception");
  }
  std::lock_guard lock(mutex_);
  called_ = nullptr;
  changed_.notify_all();
}

void ListenerBus::tell(const proto::StreamEvent& event) {
  std::vector<StreamingListener*> all;
  {
    std::lock_guard lock(mutex_);
    all = listeners_;
  }
  std::function<void(StreamingListener&)> what;
  int output = int(event.output());
  switch (event.kind()) {
    case proto::StreamEvent::STARTED: what = [&](auto& l) { l.onStreamingStarted({event.at_ms()}); }; break;
    case proto::StreamEvent::RECEIVER_STARTED: what = [&](auto& l) { l.onReceiverStarted({receiverOf(event.receiver())}); }; break;
    case proto::StreamEvent::RECEIVER_ERROR: what = [&](auto& l) { l.onReceiverError({receiverOf(event.receiver())}); }; break;
    case proto::StreamEvent::RECEIVER_STOPPED: what = [&](auto& l) { l.onReceiverStopped({receiverOf(event.receiver())}); }; break;
    case proto::StreamEvent::BATCH_SUBMITTED: what = [&](auto& l) { l.onBatchSubmitted({batchOf(event.batch())}); }; break;
    case proto::StreamEvent::BATCH_STARTED: what = [&](auto& l) { l.onBatchStarted({batchOf(event.batch())}); }; break;
    case proto::StreamEvent::BATCH_COMPLETED: what = [&](auto& l) { l.onBatchCompleted({batchOf(event.batch())}); }; break;
    case proto::StreamEvent::OUTPUT_STARTED:
    case proto::StreamEvent::OUTPUT_COMPLETED: {
      if (output >= event.batch().outputs_size()) return;
      bool began = event.kind() == proto::StreamEvent::OUTPUT_STARTED;
      what = [&, began](auto& l) {
        OutputOperationInfo info = outputOf(event.batch(), event.batch().outputs(output));
        began ? l.onOutputOperationStarted({std::move(info)}) : l.onOutputOperationCompleted({std::move(info)});
      };
      break;
    }
    default: return;  // of a newer master
  }
  for (StreamingListener* listener : all) call(listener, what);
}

}  // namespace sluice
