// Receiver<T>: takes records that cannot be asked for again from a source of the application's own (Spark's Receiver).
//
//   struct Ticker : sluice::Receiver<std::int64_t> {
//     explicit Ticker(std::int64_t first) : next(first) {}
//     void onStart() override {
//       while (!isStopped()) store(next++);
//     }
//     std::int64_t next;
//   };
//   sluice::DStream<std::int64_t> ticks(sluice::StreamingContext& ssc) { return ssc.receiverStream<Ticker>(std::int64_t(1)); }
#pragma once
#include <cstdint>
#include <exception>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "sluice/codec.h"
#include "sluice/receiver_base.h"
#include "sluice/shipped.h"
#include "sluice/storage_level.h"

namespace sluice {
inline namespace SLUICE_ABI {

// Runs in an executor, on a thread of its own; made there from the values given to StreamingContext::receiverStream<R>(values...).
// onStart may read in a loop until isStopped(), or start threads of its own and return; onStop ends those.
template <class T> class Receiver : public ReceiverBase {
 public:
  using Record = T;
  // Receives, or begins to. Called once: a restart makes a new receiver from the same values. An exception that it throws restarts it, 2 s
  // later (sluice.streaming.receiverRestartDelay).
  virtual void onStart() = 0;
  // Ends the threads that onStart has started. Called on its thread, after it returned and when the receiver is to end or to restart.
  virtual void onStop() override {}

  // Adds a record to the block that is being filled. Blocks while the executor has no room. Any thread.
  void store(const T& record) {
    thread_local Buffer row;
    row.clear();
    encodeValue(record, row);
    sink_->addRows(row.view(), 1);
  }
  // One block of these records (a container of T); returns once it is stored, copied and accepted, so that the source can be acknowledged.
  // Error(kUnavailable). Spark's store of an ArrayBuffer or an Iterator.
  template <class Records> requires(!std::is_convertible_v<const Records&, T>) void store(const Records& records) {
    Buffer rows;
    std::size_t n = 0;
    for (const T& record : records) encodeValue(record, rows), ++n;
    sink_->storeReliably(rows.view(), n);
  }
  // The same for n records that are encoded already (encodeValue, one after the other). Spark's store of a ByteBuffer.
  void storeRows(std::string_view rows, std::size_t n) { sink_->storeReliably(rows, n); }
  bool isStarted() const { return sink_ && !sink_->stopped(); }
  bool isStopped() const { return !isStarted(); }
  // The number of this input within its stream, as StreamInputInfo and ReceiverInfo have it. Of a receiver that was started, as all that follows.
  int streamId() const { return sink_->streamId(); }
  // How its blocks are kept: in memory while there is room, else on disk, in so many copies.
  StorageLevel storageLevel() const { return {true, true, sink_->copies()}; }
  // Calls onStop, and onStart after the delay (sluice.streaming.receiverRestartDelay unless said). Returns at once.
  void restart(std::string_view why) { sink_->restart(why, Milliseconds(-1)); }
  void restart(std::string_view why, Duration delay) { sink_->restart(why, delay); }
  void restart(std::string_view why, const std::exception& error) { restart(because(why, error)); }
  void restart(std::string_view why, const std::exception& error, Duration delay) { restart(because(why, error), delay); }
  // Ends the receiver for good: what it stored is processed. Spark starts such a receiver again on another executor; stop means stop here.
  void stop(std::string_view why = "") { sink_->end(why); }
  void stop(std::string_view why, const std::exception& error) { stop(because(why, error)); }
  // In the log, and to listeners.
  void reportError(std::string_view message) { sink_->report(message); }
  void reportError(std::string_view message, const std::exception& error) { reportError(because(message, error)); }

 private:
  void onStart(BlockSink& sink) final {
    sink_ = &sink;
    onStart();
  }
  static std::string because(std::string_view what, const std::exception& error) { return std::string(what).append(": ").append(error.what()); }
  BlockSink* sink_ = nullptr;
};

namespace detail {

// R made from values of these types.
template <class R, class... V> struct SLUICE_HIDDEN ShippedReceiver {
  static constexpr const char* sign() { return __PRETTY_FUNCTION__; }
  static ReceiverBase* make(const char* captures, std::size_t size) {
    return std::apply([](auto&&... v) -> ReceiverBase* { return new R(std::move(v)...); }, decoded<std::tuple<V...>>({captures, size}));
  }
  static constinit const ReceiverDesc desc;
};
template <class R, class... V> constinit const ReceiverDesc ShippedReceiver<R, V...>::desc{ReceiverDesc::kMagic, sign(), &ShippedReceiver<R, V...>::make};

}  // namespace detail
}  // inline namespace SLUICE_ABI
}  // namespace sluice
