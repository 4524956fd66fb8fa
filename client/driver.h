// The driver's end of the protocol: submits the application, runs jobs, follows streams and runs their driver functions.
// Knows messages, not types: what is planned and decoded lies above.
#pragma once
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "client/application_bus.h"
#include "client/backend.h"
#include "client/console_progress.h"
#include "client/job_board.h"
#include "client/line_printer.h"
#include "client/local_properties.h"
#include "common/envelope.h"
#include "proto/link.pb.h"
#include "sluice/error.h"

namespace sluice {

// A plan and what its lambdas captured, as built.
struct BuiltPlan {
  std::shared_ptr<const proto::Plan> plan;
  proto::Captures captures;
  // Nodes of the plan that read exchanges whose map outputs later jobs may find, and the application's own nodes that they stand for: a plan
  // has the ids of the first job of its structure.
  std::vector<std::pair<std::uint32_t, std::uint32_t>> exchanges;
};

// What a stream does when the master asks its driver.
class StreamEnd {
 public:
  virtual ~StreamEnd() = default;
  // The whole plan for this batch; asked once for each, in order, on a function thread. Throws Error.
  virtual BuiltPlan planFor(std::int64_t whenMs) = 0;
  // Runs a foreachRDD function on a function thread. Whatever it throws is told to the master.
  virtual void runOutput(std::int64_t whenMs, std::uint32_t output, bool rerun) = 0;
  // Told on the link's thread, in order, without a lock: notes it and returns.
  virtual void batchDone(const proto::BatchDone& batch) = 0;
  // Likewise, while events are wanted.
  virtual void event(const proto::StreamEvent& event) {}
};

// Whoever follows the jobs of an action.
class JobObserver {
 public:
  virtual ~JobObserver() = default;
  // A job is about to be sent; asked with the driver's lock held. Not empty: who cancelled the action already, and the job does not begin.
  virtual std::string began(std::uint64_t number) = 0;
};

// Serves functions of the driver one at a time, in order, on a thread of its own that starts with the first.
class FunctionThread {
 public:
  ~FunctionThread() { close(); }
  void post(std::function<void()> work);
  void close();  // lets what is running end; what waits is dropped

 private:
  void loop();
  std::mutex mutex_;
  std::condition_variable woken_;
  std::deque<std::function<void()>> queue_;
  bool closed_ = false;
  std::thread thread_;
};

// Who cancels what runs when a Context is stopped.
inline constexpr const char* kByItsEnd = "the end of its Context";

// Thread-safe. Blocking calls throw Error; they wait through the backend's Waiter.
class SLUICE_INTERNAL Driver final : private DriverEnd {
 public:
  Driver(std::unique_ptr<Backend> backend, std::uint64_t maxResultBytes);
  ~Driver() override;

  // Submits the application and waits until the master has accepted it.
  void connect(proto::Submit submit);
  // Tells the master that the application has ended, and waits for its word. Then nothing is delivered any more. Idempotent.
  void close(bool failed, const std::string& why);

  Backend& backend() { return *backend_; }
  std::uint64_t app() const { return app_; }
  const std::string& appId() const { return appId_; }
  std::uint32_t defaultParallelism() const { return defaultParallelism_; }

  struct Job {
    BuiltPlan plan;
    std::vector<std::uint32_t> partitions;  // empty: all
    std::uint32_t stream = 0;
    std::string description;
    std::int64_t batchMs = 0;  // it is run by a function of this batch of the stream
    LocalProperties::Ref properties;
    JobObserver* observer = nullptr;  // outlives the call
  };
  struct Part {
    std::uint32_t partition = 0;
    std::uint64_t rows = 0;
    Bytes bytes;
  };
  struct Results {
    std::vector<Part> parts;  // in order of partition
    std::uint32_t partitions = 0;
    std::vector<proto::Accumulate> updates;
  };
  Results runJob(const Job& job);
  // What the master has by now of a job that another thread runs. False: that job is over.
  bool partOf(std::uint64_t number, Results& results);
  // Asks the master to end the jobs that `which` names (asked with the lock held); whoever waits for them gets Error(kCancelled). `by`:
  // "cancelJob at main.cc:12".
  void cancelJobs(const std::function<bool(std::uint64_t number, const Job& job)>& which, const std::string& by);
  void cancelStage(std::uint32_t stage, const std::string& by);
  // Whether there was such a task, and it was told to stop.
  bool killTask(std::uint64_t task, const std::string& by);
  void unpersist(std::uint32_t node);
  // The node is no more, or reads no exchange any more: what jobs left for it goes with the next job. Never sends, never waits.
  void forgetExchange(std::uint32_t node);
  // A persisted dataset that nobody has a handle of any more. Told to the master with the next job, function or plan of a batch.
  void forgetKept(std::uint32_t node);
  JobBoard& board() { return board_; }
  // From now on the master tells the board how jobs get on. Waits for its first word.
  void watch();
  ApplicationBus& bus() { return bus_; }
  // What executors keep of datasets.
  proto::Storage storage();
  // Asks for more or fewer executors.
  proto::Scaled scale(const proto::ScaleExecutors& what);
  // Whether the master is to tell the bus what happens.
  void listen(bool on);
  // Shows progress on the terminal, if stderr is one.
  void showProgress();

  // Makes a value known to the master, who gives it to executors whose captures name it.
  void share(std::uint64_t id, Bytes value);
  void unshare(std::uint64_t id);
  // Executors drop the value, and fetch it again where it is used. Blocking: returns when all have.
  void unpersistBroadcast(std::uint64_t id, bool blocking);

  // `properties`: of its batches.
  proto::StreamStarted startStream(std::uint32_t stream, BuiltPlan plan, LocalProperties::Ref properties, bool events, std::shared_ptr<StreamEnd> end);
  // Whether the master is to tell what happens to the stream.
  void watchStream(std::uint32_t stream, bool on);
  // Waits until the stream has stopped or a batch's error is to be told. atMostMs < 0: without end. False: the time is up.
  bool awaitStream(std::uint32_t stream, std::int64_t atMostMs);
  // Stops the stream: gracefully, after what was received is processed, at most for this long. Returns once it has stopped.
  void stopStream(std::uint32_t stream, bool gracefully, std::int64_t atMostMs);
  // Waits until ready() (asked with no lock of the caller's held), and meanwhile serves what the master asks of this driver where functions
  // run inside wait().
  void serve(const std::function<bool()>& ready);
  // Whether this thread runs a function of the driver right now.
  static bool inFunction();

  // Launch to last result at the master, of the last job that is done.
  std::int64_t lastJobMicroseconds() const { return lastJobMicroseconds_; }

  // Fails whatever waits, and all that will: the application is being ended from outside.
  void interrupt(const std::string& why);
  bool hasJobs();  // that somebody waits for

 private:
  // Results that are being brought together: small ones came with the message, large ones are fetched from executors.
  struct Gathering {
    std::uint64_t number = 0;  // of the job
    Results results;
    std::uint32_t missing = 0;
    bool told = false;  // the master has answered
    bool gone = false;  // a result went with its executor
    bool whole() const { return told && missing == 0; }
  };
  struct PendingJob {
    const Job* job = nullptr;
    bool failed = false;
    Error error{ErrorKind::kLost, ""};
    std::shared_ptr<Gathering> gathering = std::make_shared<Gathering>();
    bool held = false;        // executors keep results of it until they are told that it is over
    std::string cancelledBy;  // not empty: the master was asked to end it
    std::int64_t begunMs = 0;  // by a steady clock, if the terminal shows progress
    std::vector<std::uint32_t> gone;  // what it tells of nodes that are no more
    bool done() const { return failed || gathering->gone || gathering->whole(); }
  };
  struct PendingPart {
    std::uint64_t number = 0;
    std::shared_ptr<Gathering> gathering = std::make_shared<Gathering>();
  };
  struct PendingKill {
    std::uint64_t task = 0;
    std::string by;
    bool told = false, found = false;
  };
  struct PendingScale {
    proto::ScaleExecutors what;
    proto::Scaled answer;
    bool told = false;
  };
  struct PendingDrop {
    std::uint64_t broadcast = 0;
    bool done = false;
  };
  struct Fetch {
    std::shared_ptr<Gathering> into;
    std::uint64_t request = 0, executor = 0;
    std::size_t part = 0;
    proto::Result result;
    std::vector<Bytes> pieces;
    std::uint64_t rows = 0;
    bool sent = false;
  };
  struct Stream {
    BuiltPlan plan;
    LocalProperties::Ref properties;
    bool events = false;
    std::shared_ptr<StreamEnd> end;
    bool started = false, stopped = false, draining = false, drainNow = false;
    std::int64_t begunMs = 0;  // as of a job
    proto::StreamStarted answer;
    std::string error;           // ended it
    std::deque<std::string> batchErrors;
    std::int64_t lastFailedMs = 0;  // a batch's error is told once, whoever notices it first
    std::map<std::int64_t, EnvelopePtr> planned;  // answers, for questions that are repeated
    std::int64_t lastAsked = 0;
    struct Outcome {
      bool done = false;
      std::string error;
    };
    std::map<std::pair<std::int64_t, std::uint32_t>, Outcome> outputs;  // asked again = same answer
  };
  // What is sent once the lock is released: a link may run the other end's work inside send().
  struct Outgoing {
    std::vector<std::pair<Peer, EnvelopePtr>> messages;
    std::vector<std::pair<Peer, std::string>> dials;
    std::vector<std::function<void()>> calls;
  };

  void onMessage(Peer from, EnvelopePtr envelope) override;
  void onSession(Peer with, bool up) override;
  void lost(const std::string& why) override;

  void onMaster(const EnvelopePtr& envelope, Outgoing& out);
  void onJobDone(const EnvelopePtr& envelope, Outgoing& out);
  void onJobFailed(const proto::JobFailed& failed, Outgoing& out);
  void onJobPart(const EnvelopePtr& envelope, Outgoing& out);
  template <class ResultList> void gather(const std::shared_ptr<Gathering>& into, const ResultList& results, const Envelope& envelope);
  void dropFetches(const Gathering& of);
  void tellTaken(Peer from, const Envelope& envelope, Outgoing& out);
  void onGot(Peer from, const EnvelopePtr& envelope, Outgoing& out);
  void onPlanFor(const proto::PlanFor& ask, Outgoing& out);
  void onRunOutput(const proto::RunOutput& ask, Outgoing& out);
  void onBatchDone(const EnvelopePtr& envelope, Outgoing& out);
  static void addBatchError(Stream& stream, std::int64_t whenMs, const std::string& error);
  void subscribe(Outgoing& out) const;
  void onLines(const proto::Lines& lines, Outgoing& out);
  void answerGet(Peer from, const proto::Get& get, Outgoing& out);
  void sendFetches(Outgoing& out);
  void failFetches(std::uint64_t executor);
  void begin(Outgoing& out);  // a session with the master is new

  EnvelopePtr watchMessage(bool on) const;
  EnvelopePtr listenMessage(bool on) const;
  EnvelopePtr askStorageMessage(std::uint64_t request) const;
  EnvelopePtr scaleMessage(std::uint64_t request, const proto::ScaleExecutors& what) const;
  void onScaled(const proto::Scaled& scaled);
  void watchForConsole(bool on);
  std::int64_t longestRunMs();
  static std::int64_t steadyMs();
  EnvelopePtr dropMessage(std::uint64_t request, std::uint64_t broadcast) const;
  EnvelopePtr killTaskMessage(std::uint64_t request, const PendingKill& kill) const;
  EnvelopePtr askPartMessage(std::uint64_t request, std::uint64_t number) const;
  EnvelopePtr cancelMessage(std::uint64_t number, const std::string& by) const;
  EnvelopePtr runJobMessage(std::uint64_t number, const PendingJob& pending, bool withPlan);
  EnvelopePtr startStreamMessage(std::uint32_t stream, const Stream& s);
  void shareMessages(std::uint64_t id, const Bytes& value, Outgoing& out);
  Results runOnce(const Job& job, bool& again);
  void checkAlive() const;
  void send(Outgoing& out);
  void tellGone();  // persisted datasets that are gone
  // Runs on a function thread, or on a thread that waits.
  void later(FunctionThread& thread, std::function<void()> work);
  // A thread of the application's is in here: close() lets it out before the link goes.
  class Call {
   public:
    explicit Call(Driver& driver);
    ~Call();

   private:
    Driver& driver_;
  };
  void wait(std::unique_lock<std::mutex>& lock, Lent lent, const std::function<bool()>& ready);
  bool waitAtMost(std::unique_lock<std::mutex>& lock, std::int64_t atMostMs, const std::function<bool()>& ready);

  std::unique_ptr<Backend> backend_;
  const std::uint64_t maxResultBytes_;
  bool inline_ = false;  // functions run inside wait()

  // Constant once connect() returned.
  std::uint64_t app_ = 0;
  std::string appId_;
  std::uint32_t defaultParallelism_ = 1;

  std::mutex mutex_;
  std::condition_variable changed_;
  // Guarded by mutex_.
  proto::Submit submit_;
  bool session_ = false, submitted_ = false, ended_ = false, closing_ = false, closed_ = false;
  std::string failed_;  // nothing can be asked any more
  ErrorKind failedKind_ = ErrorKind::kUnavailable;
  std::atomic<std::int64_t> lastJobMicroseconds_{0};  // not guarded
  int calls_ = 0;
  std::uint64_t lastJob_ = 0, lastRequest_ = 0;
  absl::flat_hash_map<std::uint64_t, PendingJob*> jobs_;
  std::mutex exchangesMutex_;  // a leaf: destructors of nodes take it, on any thread
  std::set<std::uint32_t> lasting_;           // nodes whose map outputs jobs may have left at executors
  std::vector<std::uint32_t> goneExchanges_;  // those that the next job tells to be gone
  std::vector<std::uint32_t> goneKept_;
  std::deque<std::uint32_t> goneKeptBefore_;  // of late
  std::map<std::uint64_t, PendingPart> parts_;  // by request
  std::map<std::uint64_t, PendingKill> kills_;  // likewise
  std::map<std::uint64_t, PendingDrop> drops_;  // likewise
  std::map<std::uint64_t, std::optional<proto::Storage>> storageAsked_;  // likewise
  std::map<std::uint64_t, PendingScale> scales_;                         // likewise
  std::optional<std::uint32_t> executorTarget_;                          // as the master said last
  absl::flat_hash_set<std::uint64_t> sentTemplates_;  // in this session
  std::map<std::uint64_t, Fetch> fetches_;
  std::map<std::uint64_t, proto::Member> members_;
  std::map<std::uint64_t, std::uint64_t> taken_;  // bytes that executors have not been told to have arrived
  std::set<std::uint64_t> executorSessions_, dialled_;
  std::map<std::uint32_t, Stream> streams_;
  std::map<std::uint64_t, Bytes> shared_;
  std::uint64_t linesAt_ = 0;
  std::deque<std::function<void()>> inlineWork_;
  bool inlineRunning_ = false;

  bool watching_ = false, watchingForConsole_ = false, listening_ = false;
  std::unique_ptr<ConsoleProgress> console_;  // set before the first job

  JobBoard board_;
  ApplicationBus bus_;
  LinePrinter printer_;
  FunctionThread planner_, outputs_;
};

}  // namespace sluice
