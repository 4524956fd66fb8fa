// Everything for streaming applications: StreamingContext, DStream, and what batch applications have.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sluice/dstream.h"
#include "sluice/receiver.h"
#include "sluice/sluice.h"

namespace sluice {
inline namespace SLUICE_ABI {

// RDDs to come, for queueStream: push at any time, from any thread. Copies stand for the same queue.
template <class T> class RDDQueue {
 public:
  RDDQueue() : queue_(detail::newQueue()) {}
  void push(const RDD<T>& rdd) { detail::push(*queue_, rdd.node()); }
  RDDQueue& operator+=(const RDD<T>& rdd) {
    push(rdd);
    return *this;
  }
  std::size_t size() const { return detail::size(*queue_); }
  const detail::QueueRef& core() const { return queue_; }

 private:
  detail::QueueRef queue_;
};

using StreamingContextState = detail::StreamState;

// Where streams begin: sources, the batch interval, start and stop. One may be started in a process at a time. Defined on one thread;
// start, stop and awaitTermination may be called on any. Stops with its end.
class StreamingContext {
 public:
  // With a Context of its own, which stops with it. Throws Error as Context does, and for an interval that is not above 0.
  StreamingContext(const Conf& conf, Duration interval, CallSite at = CallSite::here())
      : StreamingContext(detail::openContext(conf, at), interval, at, true) {}
  StreamingContext(const Context& context, Duration interval, CallSite at = CallSite::here())
      : StreamingContext(context.core(), interval, at, false) {}
  StreamingContext(StreamingContext&& other) noexcept : core_(std::exchange(other.core_, {})), context_(std::move(other.context_)) {}
  StreamingContext& operator=(StreamingContext&& other) noexcept {
    std::swap(core_, other.core_), std::swap(context_, other.context_);
    return *this;
  }
  ~StreamingContext() {
    if (core_) detail::finish(*core_, detail::exceptionsInFlight() > 0);
  }

  // ---- Sources ----
  // Lines of text from a TCP server; connects again, 2 s later, when the connection fails or ends.
  DStream<std::string_view> socketTextStream(std::string_view host, std::uint16_t port, StorageLevel level = StorageLevel::MEMORY_AND_DISK_SER_2,
                                             CallSite at = CallSite::here()) const {
    return DStream<std::string_view>(detail::addSocketText(*core_, host, port, level, facts<std::string_view>("socketTextStream", at)));
  }
  DStream<std::string_view> socketTextStream(std::string_view host, std::string_view port, StorageLevel level = StorageLevel::MEMORY_AND_DISK_SER_2,
                                             CallSite at = CallSite::here()) const {
    return socketTextStream(host, detail::parsePort(port), level, at);
  }
  // Lines of files that appear in the directory, by renaming; hidden names are left out.
  DStream<std::string_view> textFileStream(std::string_view directory, bool newFilesOnly = true, CallSite at = CallSite::here()) const {
    return DStream<std::string_view>(detail::addNewTextFiles(*core_, directory, newFilesOnly, facts<std::string_view>("textFileStream", at)));
  }
  // One RDD of the queue for each batch, or all that are there; an empty one if there is none.
  template <class T> DStream<T> queueStream(const RDDQueue<T>& queue, bool oneAtATime = true, CallSite at = CallSite::here()) const {
    return DStream<T>(detail::addQueue(*core_, queue.core(), oneAtATime, {}, facts<T>("queueStream", at)));
  }
  template <class T> DStream<T> queueStream(const RDDQueue<T>& queue, bool oneAtATime, const RDD<T>& standard, CallSite at = CallSite::here()) const {
    return DStream<T>(detail::addQueue(*core_, queue.core(), oneAtATime, standard.node(), facts<T>("queueStream", at)));
  }
  template <class T> DStream<T> queueStream(const std::vector<RDD<T>>& rdds, bool oneAtATime = true, CallSite at = CallSite::here()) const {
    RDDQueue<T> queue;
    for (const auto& rdd : rdds) queue.push(rdd);
    return queueStream(queue, oneAtATime, at);
  }
  // R, a subclass of Receiver<T>, is made in an executor from these values.
  template <class R, class... V> auto receiverStream(V&&... values) const {
    using T = typename R::Record;
    static_assert(kEncodable<T> && kOwnable<T>, "sluice: a receiver's records must be encodable; add SLUICE_FIELDS(Type, field, ...) as the last line of the struct");
    static_assert((kEncodable<owned_t<std::decay_t<V>>> && ...), "sluice: a value given to receiverStream cannot be encoded; add SLUICE_FIELDS to its struct");
    std::tuple<owned_t<std::decay_t<V>>...> all{toRecord<owned_t<std::decay_t<V>>>(std::forward<V>(values))...};
    return DStream<T>(detail::addReceiver(*core_, &detail::ShippedReceiver<R, owned_t<std::decay_t<V>>...>::desc, encoded(all),
                                          StorageLevel::MEMORY_AND_DISK_SER_2, facts<T>("receiverStream", CallSite())));
  }
  template <class T> DStream<T> union_(const std::vector<DStream<T>>& streams, CallSite at = CallSite::here()) const {
    std::vector<detail::NodeRef> nodes;
    for (const auto& stream : streams) nodes.push_back(stream.node());
    return DStream<T>(detail::addUnion(nodes.data(), nodes.size(), facts<T>("union", at)));
  }

  // ---- Life ----
  // Where state is kept safe; a new context on the same directory goes on from there.
  void checkpoint(std::string_view directory) { detail::setCheckpointDirectory(*core_, directory); }
  // How long batches can be asked for at least, beyond what the streams need themselves.
  void remember(Duration duration) { detail::setRemember(*core_, duration); }
  // Throws Error for what cannot run; the context is stopped then.
  void start() { detail::start(*core_); }
  // Until the stream is stopped; throws what a batch or the stream failed of.
  void awaitTermination() { detail::await(*core_, nullptr); }
  // False: the time is up.
  bool awaitTerminationOrTimeout(Duration atMost) { return detail::await(*core_, &atMost); }
  bool awaitTerminationOrTimeout(std::int64_t milliseconds) { return awaitTerminationOrTimeout(Duration(milliseconds)); }
  // gracefully: after everything that was received has been processed.
  void stop(bool stopContext = true, bool gracefully = false) { detail::stop(*core_, stopContext, gracefully); }
  StreamingContextState getState() const { return detail::stateOf(*core_); }

  const Context& context() const { return context_; }
  const Context& sparkContext() const { return context_; }
  detail::StreamCore& core() const { return *core_; }

 private:
  StreamingContext(detail::ContextRef context, Duration interval, CallSite at, bool owns)
      : core_(detail::newStream(context, interval, at, owns)), context_(std::move(context)) {}
  template <class T> static detail::NodeFacts facts(const char* name, CallSite at) {
    detail::NodeFacts facts{name, at, typeDesc<T>()};
    facts.stream = true;
    return facts;
  }

  detail::StreamRef core_;
  Context context_;
};

}  // inline namespace SLUICE_ABI
}  // namespace sluice
