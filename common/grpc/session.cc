#include "common/grpc/session.h"

#include "common/grpc/frame.h"
#include "common/grpc/ordering.h"

namespace sluice {
namespace {

constexpr std::size_t kBatchBytes = 256u << 10, kBatchEnvelopes = 64;

}  // namespace

void* Session::Tag::start() {
  pin = session.shared_from_this();
  Operation* operation = this;
  handedToGrpc(operation);
  return operation;
}

void Session::Tag::done(bool ok) {
  SessionPtr alive = std::move(pin);
  (session.*body)(ok);
}

void Session::onOpen(bool ok) {
  if (!ok && !dialled()) {  // the server shuts down; there was no call
    owner_.onEnded(shared_from_this(), "");
    return;
  }
  if (!ok) return breakDown();
  {
    MutexLock lock(mutex_);
    writable_ = true;
  }
  phase = Phase::kGreeting;
  owner_.onOpened(shared_from_this());
  read();
}

void Session::read() {
  reading_ = true;
  stream_->read(readTag_.start());
}

void Session::onRead(bool ok) {
  reading_ = false;
  if (!ok) return breakDown();
  decoded_.clear();
  if (!stream_->received(decoded_)) {
    cancel();
    return breakDown();
  }
  // What it says comes first: an answer that the owner gives inside leaves before the flow-control update of the next
  // read.
  for (auto& envelope : decoded_) owner_.onEnvelope(shared_from_this(), std::move(envelope));
  read();
}

void Session::send(EnvelopePtr envelope) {
  std::size_t bytes = frameSize(*envelope);
  std::vector<EnvelopePtr> batch;
  {
    MutexLock lock(mutex_);
    if (!writable_ || draining_) return;
    queue_.push_back({std::move(envelope), bytes});
    waiting_ += bytes;
    if (writing_) return;
    take(batch);
  }
  write(batch);
}

void Session::drain() {
  std::vector<EnvelopePtr> batch;
  bool open, end;
  {
    MutexLock lock(mutex_);
    if (draining_) return;
    draining_ = true;
    open = writable_;
    end = open && !writing_ && take(batch);  // a write under way goes on to the end by itself
  }
  if (!open) cancel();
  if (end) write(batch);
}

std::size_t Session::waitingBytes() const {
  MutexLock lock(mutex_);
  return waiting_;
}

bool Session::take(std::vector<EnvelopePtr>& batch) {
  underWay_ = 0;
  if (!writable_) return writing_ = false;
  while (!queue_.empty() && underWay_ < kBatchBytes && batch.size() < kBatchEnvelopes) {
    underWay_ += queue_.front().bytes;
    batch.push_back(std::move(queue_.front().envelope));
    queue_.pop_front();
  }
  if (!batch.empty()) return writing_ = true;
  if (!draining_ || endSent_) return writing_ = false;
  endSent_ = true;
  if (dialled()) {
    writing_ = true;
  } else {
    writing_ = false, finishing_ = true;
  }
  return true;
}

void Session::write(const std::vector<EnvelopePtr>& batch) {
  if (!batch.empty()) {
    stream_->write(batch, writeTag_.start());
  } else if (dialled()) {
    stream_->endWrites(writeTag_.start());
  } else {
    stream_->finish(finishTag_.start());
  }
}

void Session::onWritten(bool ok) {
  std::vector<EnvelopePtr> batch;
  bool more;
  {
    MutexLock lock(mutex_);
    waiting_ -= underWay_;
    more = ok && take(batch);
    if (!ok) writing_ = false, underWay_ = 0;
  }
  if (more) return write(batch);
  if (!ok && !broken_) cancel();  // so that the read, too, finds out
  finishWhenIdle();
}

void Session::breakDown() {
  broken_ = true;
  std::deque<Waiting> dropped;
  {
    MutexLock lock(mutex_);
    writable_ = false;
    dropped.swap(queue_);
    waiting_ = underWay_;
  }
  owner_.onBroken(shared_from_this());
  finishWhenIdle();
}

void Session::finishWhenIdle() {
  if (!broken_ || reading_) return;
  {
    MutexLock lock(mutex_);
    if (writing_) return;
    if (finishing_) {
      if (!finished_) return;
    } else {
      finishing_ = true;
    }
  }
  if (finished_) return owner_.onEnded(shared_from_this(), stream_->failure());
  stream_->finish(finishTag_.start());
}

void Session::onFinished(bool) {
  finished_ = true;
  finishWhenIdle();
}

}  // namespace sluice
