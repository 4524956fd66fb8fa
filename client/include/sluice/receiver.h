// Receiver<T>: takes records that cannot be asked for again from a source of the application's own.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "sluice/codec.h"
#include "sluice/receiver_base.h"
#include "sluice/shipped.h"

namespace sluice {
inline namespace SLUICE_ABI {

// Runs in an executor, on a thread of its own; made there from the values given to StreamingContext::receiverStream<R>(values...).
// onStart may read in a loop until isStopped(), or start threads of its own and return; onStop ends those.
template <class T> class Receiver : public ReceiverBase {
 public:
  using Record = T;
  virtual void onStart() = 0;
  virtual void onStop() override {}

  // Adds a record to the block that is being filled. Blocks while the executor has no room. Any thread.
  void store(const T& record) {
    thread_local Buffer row;
    row.clear();
    encodeValue(record, row);
    sink_->addRows(row.view(), 1);
  }
  // One block of these records; returns once it is stored and accepted, so that the source can be acknowledged. Error(kUnavailable).
  void store(const std::vector<T>& records) {
    Buffer rows;
    for (const T& record : records) encodeValue(record, rows);
    sink_->storeReliably(rows.view(), records.size());
  }
  bool isStopped() const { return !sink_ || sink_->stopped(); }
  // Stops the receiver and starts it again after the delay.
  void restart(std::string_view why, Duration delay = Seconds(2)) { sink_->restart(why, delay); }
  void reportError(std::string_view message) { sink_->report(message); }

 private:
  void onStart(BlockSink& sink) final {
    sink_ = &sink;
    onStart();
  }
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
