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
#include "sluice/socket_input.h"

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
  // Blocks of encoded records (see rawBlock), length-prefixed, from a TCP server: for feeding at full speed.
  template <class T> DStream<T> rawSocketStream(std::string_view host, std::uint16_t port, StorageLevel level = StorageLevel::MEMORY_AND_DISK_SER_2,
                                                CallSite at = CallSite::here()) const {
    static_assert(kEncodable<T> && std::is_same_v<T, owned_t<T>>, "sluice: the records of rawSocketStream must be owned and encodable; add SLUICE_FIELDS(Type, field, ...) as the last line of the struct");
    detail::checkSocket("rawSocketStream", host, port);
    return DStream<T>(detail::addReceiver(*core_, &detail::ShippedReceiver<detail::RawSocketReceiver<T>, std::string, std::uint16_t>::desc,
                                          encoded(std::tuple(std::string(host), port)), level, facts<T>("rawSocketStream", at)));
  }
  // What f(sluice::ByteInput&) -> std::optional<T> makes of a TCP connection; called until it gives none, which ends the connection.
  template <class F> auto socketStream(std::string_view host, std::uint16_t port, F f, StorageLevel level = StorageLevel::MEMORY_AND_DISK_SER_2,
                                       CallSite at = CallSite::here()) const {
    if constexpr (!kShippable<F> || !std::is_invocable_v<F&, ByteInput&>) {
      static_assert(never<F>, "sluice: socketStream needs a function (sluice::ByteInput&) that returns std::optional of the record, and captures only what can travel as bytes");
      return DStream<Broken>();
    } else {
      using R = std::remove_cvref_t<std::invoke_result_t<F&, ByteInput&>>;
      using T = typename detail::InOptional<R>::type;
      static_assert(!std::is_void_v<T> && kEncodable<T>, "sluice: socketStream needs a function that returns std::optional of a record that can be encoded");
      using Source = detail::SocketReceiver<T, F>;
      detail::checkSocket("socketStream", host, port);
      return DStream<T>(detail::addReceiver(*core_, &Source::desc, Source::captures(f, host, port), level, facts<T>("socketStream", at)));
    }
  }
  // Integers from 0 on, so many a second, in even partitions (0: the default number): for trying things out. Which ones a batch has follows
  // from its time, so it needs no receiver, and a recovered batch has the same.
  DStream<std::int64_t> generatorStream(double recordsPerSecond, int partitions = 0, CallSite at = CallSite::here()) const {
    return DStream<std::int64_t>(detail::addGenerator(*core_, recordsPerSecond, partitions, facts<std::int64_t>("generatorStream", at)));
  }
  // f(integer) of each.
  template <class F> requires(!std::is_convertible_v<F, int>) auto generatorStream(double recordsPerSecond, F f, int partitions = 0, CallSite at = CallSite::here()) const {
    return generatorStream(recordsPerSecond, partitions, at).map(std::move(f), at);
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
  // R, a subclass of Receiver<T>, is made in an executor from these values; blocks are kept in two copies, in memory or on disk. R's
  // preferredLocation() is asked here, of an R that is made for that alone.
  template <class R, class... V> auto receiverStream(V&&... values) const {
    return receiverStreamAt<R>(StorageLevel::MEMORY_AND_DISK_SER_2, std::forward<V>(values)...);
  }
  template <class R, class... V> auto receiverStreamAt(StorageLevel level, V&&... values) const {
    using T = typename R::Record;
    static_assert(kEncodable<T> && kOwnable<T>, "sluice: a receiver's records must be encodable; add SLUICE_FIELDS(Type, field, ...) as the last line of the struct");
    static_assert((kEncodable<owned_t<std::decay_t<V>>> && ...), "sluice: a value given to receiverStream cannot be encoded; add SLUICE_FIELDS to its struct");
    std::tuple<owned_t<std::decay_t<V>>...> all{toRecord<owned_t<std::decay_t<V>>>(std::forward<V>(values))...};
    std::string captures = encoded(all);
    auto node = detail::addReceiver(*core_, &detail::ShippedReceiver<R, owned_t<std::decay_t<V>>...>::desc, captures, level,
                                    facts<T>("receiverStream", CallSite()));
    std::apply([&](auto&&... v) { detail::preferHost(node, R(std::move(v)...).preferredLocation()); }, std::move(all));
    return DStream<T>(std::move(node));
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
