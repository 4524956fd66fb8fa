// One gRPC stream: reads, queued writes, and an orderly end, for both the dialling and the accepting side.
#pragma once
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "common/envelope.h"
#include "common/grpc/stream.h"
#include "common/ids.h"
#include "common/mutex.h"

namespace sluice {

// An operation under way in the completion queue. done() runs on the polling thread.
class Operation {
 public:
  virtual ~Operation() = default;
  virtual void done(bool ok) = 0;
};

class Session;
using SessionPtr = std::shared_ptr<Session>;

// What sessions tell their link, always on the polling thread.
class SessionOwner {
 public:
  virtual ~SessionOwner() = default;
  virtual void onOpened(const SessionPtr& session) = 0;  // the stream stands; Hellos may go
  virtual void onEnvelope(const SessionPtr& session, EnvelopePtr envelope) = 0;
  virtual void onBroken(const SessionPtr& session) = 0;  // nothing more will come
  // No operation is under way any more. `why`: one line, empty if it ended in order.
  virtual void onEnded(const SessionPtr& session, const std::string& why) = 0;
};

// send(), drain() and cancel() from any thread, all else on the polling thread. Every operation under way keeps the
// session alive.
class Session : public std::enable_shared_from_this<Session> {
 public:
  enum class Phase { kOpening, kGreeting, kUp, kOver };  // kept by the owner, on the polling thread

  Session(SessionOwner& owner, std::unique_ptr<Stream> stream, std::string address = "")
      : owner_(owner), stream_(std::move(stream)), address_(std::move(address)) {}
  void open() { stream_->open(openTag_.start()); }

  void send(EnvelopePtr envelope) EXCLUDES(mutex_);
  // Sends what waits, then ends the stream in order. What is sent later is dropped.
  void drain() EXCLUDES(mutex_);
  void cancel() { stream_->cancel(); }  // at once
  std::size_t waitingBytes() const EXCLUDES(mutex_);

  bool dialled() const { return stream_->dialled(); }
  const std::string& address() const { return address_; }  // that was dialled
  Phase phase = Phase::kOpening;
  Peer peer;             // the other side, once known
  bool greeted = false;  // it was up once
  bool refused = false;  // by the other side's last message, or by us for good: do not dial again
  std::string failure;   // why the greeting failed

 private:
  struct Tag final : Operation {
    Tag(Session& s, void (Session::*b)(bool)) : session(s), body(b) {}
    void* start();
    void done(bool ok) override;
    Session& session;
    void (Session::*const body)(bool);
    SessionPtr pin;
  };
  struct Waiting {
    EnvelopePtr envelope;
    std::size_t bytes;
  };

  void onOpen(bool ok);
  void onRead(bool ok);
  void onWritten(bool ok);
  void onFinished(bool ok);
  void read();
  // What is next to write: some envelopes, or the end of a drained stream. False: nothing. Whoever takes it must write
  // it.
  bool take(std::vector<EnvelopePtr>& batch) REQUIRES(mutex_);
  void write(const std::vector<EnvelopePtr>& batch) EXCLUDES(mutex_);
  void breakDown() EXCLUDES(mutex_);
  void finishWhenIdle() EXCLUDES(mutex_);

  SessionOwner& owner_;
  const std::unique_ptr<Stream> stream_;
  const std::string address_;

  Tag openTag_{*this, &Session::onOpen}, readTag_{*this, &Session::onRead}, writeTag_{*this, &Session::onWritten},
      finishTag_{*this, &Session::onFinished};
  bool reading_ = false, broken_ = false, finished_ = false;  // polling thread
  std::vector<EnvelopePtr> decoded_;

  mutable Mutex mutex_;
  std::deque<Waiting> queue_ GUARDED_BY(mutex_);
  std::size_t waiting_ GUARDED_BY(mutex_) = 0;   // bytes in queue_ and in the write under way
  std::size_t underWay_ GUARDED_BY(mutex_) = 0;  // bytes in the write
  bool writing_ GUARDED_BY(mutex_) = false;      // a write, or a client's end of writes, is under way
  bool writable_ GUARDED_BY(mutex_) = false;     // open and not broken
  bool draining_ GUARDED_BY(mutex_) = false;
  bool endSent_ GUARDED_BY(mutex_) = false;
  bool finishing_ GUARDED_BY(mutex_) = false;  // Finish was called
};

}  // namespace sluice
