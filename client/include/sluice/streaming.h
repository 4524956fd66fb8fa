// Everything for streaming applications: StreamingContext, DStream, and what batch applications have.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sluice/detail/streaming_files.h"
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
class StreamingContext : public detail::StreamingFiles<StreamingContext> {
 public:
  // With a Context of its own, which stops with it. Throws Error as Context does, and for an interval that is not above 0.
  StreamingContext(const Conf& conf, Duration interval, CallSite at = CallSite::here())
      : StreamingContext(detail::openContext(conf, at), interval, at, true) {}
  StreamingContext(const Context& context, Duration interval, CallSite at = CallSite::here())
      : StreamingContext(context.core(), interval, at, false) {}
  StreamingContext(std::string_view master, std::string_view appName, Duration interval, CallSite at = CallSite::here())
      : StreamingContext(Conf().setMaster(master).setAppName(appName), interval, at) {}
  StreamingContext(StreamingContext&& other) noexcept
      : core_(std::exchange(other.core_, {})), context_(std::move(other.context_)), finishes_(other.finishes_) {}
  StreamingContext& operator=(StreamingContext&& other) noexcept {
    std::swap(core_, other.core_), std::swap(context_, other.context_), std::swap(finishes_, other.finishes_);
    return *this;
  }
  ~StreamingContext() {
    if (core_ && finishes_) detail::finish(*core_, detail::exceptionsInFlight() > 0);
  }

  // The one that is started and not stopped, which whoever made it keeps: its end is not that of this handle.
  static std::optional<StreamingContext> getActive() {
    detail::StreamRef active = detail::activeStream();
    if (!active) return std::nullopt;
    return StreamingContext(std::move(active));
  }
  // That one, or what create() returns, which is not started yet.
  template <class Create> static StreamingContext getActiveOrCreate(Create create) {
    if (auto active = getActive()) return std::move(*active);
    return made(create);
  }
  // What create() returns, with this checkpoint directory; start() goes on from the checkpoint if there is one. Unlike Spark's, which reads
  // the graph from there, create() is always called: a checkpoint holds state and positions, never code, so the application may change.
  // Throws Error(kInvalidArgument) if create() has set another directory.
  template <class Create> static StreamingContext getOrCreate(std::string_view directory, Create create) {
    StreamingContext context = made(create);
    detail::useCheckpoint(*context.core_, directory, "getOrCreate");
    return context;
  }
  template <class Create> static StreamingContext getActiveOrCreate(std::string_view directory, Create create) {
    if (auto active = getActive()) return std::move(*active);
    return getOrCreate(directory, std::move(create));
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
  // The same RDD in each batch (Spark's ConstantInputDStream); cache it unless it is cheap. Needs no driver.
  template <class T> DStream<T> constantStream(const RDD<T>& rdd, CallSite at = CallSite::here()) const {
    return DStream<T>(detail::addConstant(*core_, rdd.node(), facts<T>("constantStream", at)));
  }
  // Any number of streams of one type, through f(std::vector<RDD<T>>) -> RDD<U>, asked once before there is data, or
  // f(std::vector<RDD<T>>, Time) -> RDD<U>, asked for each batch: see DStream::transform.
  template <class T, class F> auto transform(const std::vector<DStream<T>>& streams, F f, CallSite at = CallSite::here()) const {
    std::vector<detail::NodeRef> nodes;
    for (const auto& stream : streams) nodes.push_back(stream.node());
    if (nodes.empty()) throwError(ErrorKind::kInvalidArgument, "transform: the list of streams is empty; give at least one");
    if constexpr (std::is_invocable_v<F&, const std::vector<RDD<T>>&>) {
      using U = detail::transformed_t<F, const std::vector<RDD<T>>&>;
      std::vector<RDD<T>> symbols;
      for (const auto& node : nodes) symbols.emplace_back(detail::symbolOf(node));
      RDD<U> result = f(std::as_const(symbols));
      return DStream<U>(detail::addTransformed(nodes.data(), nodes.size(), result.node(), facts<U>("transform", at)));
    } else if constexpr (std::is_invocable_v<F&, const std::vector<RDD<T>>&, Time>) {
      using U = detail::transformed_t<F, const std::vector<RDD<T>>&, Time>;
      auto each = detail::driverFunction([f = std::move(f)](const detail::NodeRef* in, std::size_t n, Time t) mutable {
        std::vector<RDD<T>> rdds;
        for (std::size_t i = 0; i < n; ++i) rdds.emplace_back(in[i]);
        return f(std::as_const(rdds), t).node();
      });
      return DStream<U>(detail::addPerBatch(nodes.data(), nodes.size(), std::move(each), facts<U>("transform", at)));
    } else {
      static_assert(never<F>, "sluice: transform needs a function (const std::vector<RDD<T>>&) or (const std::vector<RDD<T>>&, sluice::Time) that returns an RDD");
      return DStream<Broken>();
    }
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
  // Throws Error for what cannot run; the context is stopped then. A second call is a warning; a stopped context cannot be started again;
  // while another one is started this one is left as it is.
  void start(CallSite at = CallSite::here()) { detail::start(*core_, at); }
  // Until the stream is stopped; throws what a batch or the stream failed of.
  void awaitTermination() { detail::await(*core_, nullptr); }
  // False: the time is up.
  bool awaitTerminationOrTimeout(Duration atMost) { return detail::await(*core_, &atMost); }
  bool awaitTerminationOrTimeout(std::int64_t milliseconds) { return awaitTerminationOrTimeout(Duration(milliseconds)); }
  // gracefully: after everything that was received has been processed, for sluice.streaming.gracefulStopTimeout at most. stopContext: the
  // Context, too, also if the stream was stopped before; else it may get another StreamingContext. Error(kIllegalState) inside a listener,
  // and gracefully inside foreachRDD: it would wait for itself.
  void stop(bool stopContext, bool gracefully = false) { detail::stop(*core_, stopContext, gracefully); }
  // stopContext as sluice.streaming.stopContextByDefault says (true).
  void stop() { stop(detail::stopsContextByDefault(*core_)); }
  StreamingContextState getState() const { return detail::stateOf(*core_); }
  bool isStopped() const { return getState() == StreamingContextState::kStopped; }

  // #include <sluice/streaming_listener.h>. The listener must live until it is removed, or the context is stopped; it is told of what happens
  // from now on.
  void addStreamingListener(StreamingListener& listener) const { detail::addListener(*core_, listener); }
  // When it returned, the listener is not called any more.
  void removeStreamingListener(StreamingListener& listener) const { detail::removeListener(*core_, listener); }

  const Context& context() const { return context_; }
  const Context& sparkContext() const { return context_; }
  detail::StreamCore& core() const { return *core_; }

 private:
  StreamingContext(detail::ContextRef context, Duration interval, CallSite at, bool owns)
      : core_(detail::newStream(context, interval, at, owns)), context_(std::move(context)) {}
  explicit StreamingContext(detail::StreamRef active) : core_(std::move(active)), context_(detail::contextOf(*core_)), finishes_(false) {}
  template <class T> friend class DStream;
  template <class Create> static StreamingContext made(Create& create) {
    static_assert(std::is_invocable_r_v<StreamingContext, Create&>, "sluice: getOrCreate needs a function without parameters that returns a StreamingContext");
    if constexpr (std::is_invocable_r_v<StreamingContext, Create&>) return create();
    else return StreamingContext(detail::StreamRef());
  }
  template <class T> static detail::NodeFacts facts(const char* name, CallSite at) {
    detail::NodeFacts facts{name, at, typeDesc<T>()};
    facts.stream = true;
    return facts;
  }

  detail::StreamRef core_;
  Context context_;
  bool finishes_ = true;
};

template <class T> StreamingContext DStream<T>::context() const { return StreamingContext(detail::streamOf(this->node())); }

}  // inline namespace SLUICE_ABI
}  // namespace sluice
