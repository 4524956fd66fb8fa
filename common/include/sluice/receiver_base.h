// The erased receiver: what the engine runs for Receiver<T> and the built-in sources.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "sluice/operator.h"

namespace sluice {
inline namespace SLUICE_ABI {

// Where a receiver puts its records. Any thread may call it.
class SLUICE_EXPORT BlockSink {
 public:
  virtual ~BlockSink();
  // Adds n encoded rows. Blocks while the executor has no room (that is the backpressure).
  virtual void addRows(std::string_view rows, std::size_t n) = 0;
  // Adds raw text whose last line may be incomplete; the sink keeps the rest for the next call. Lines end in '\n'.
  virtual void addText(std::string_view text) = 0;
  // A place to read text into directly, and the number of bytes read there. Saves a copy over addText. There is room for `size` bytes: at
  // least `atLeast`, but where a rate is set only as much as may come at once.
  virtual char* textSpace(std::size_t atLeast, std::size_t& size) = 0;
  virtual void textRead(std::size_t bytes) = 0;
  // Ends the incomplete last line (the connection is gone).
  virtual void endText() = 0;
  // One block of exactly these rows, stored, replicated and accepted by the master before it returns (a reliable receiver then
  // acknowledges its source). Throws Error(kUnavailable) if that failed.
  virtual void storeReliably(std::string_view rows, std::size_t n) = 0;
  virtual bool stopped() const = 0;
  // Stops the receiver and starts it again after the delay (sluice.streaming.receiverRestartDelay by default).
  virtual void restart(std::string_view why, Duration delay) = 0;
  virtual void report(std::string_view error) = 0;
  // Ends the receiver for good: what it stored is processed, and it is not started again.
  virtual void end(std::string_view why) = 0;
  // The number of the input within its stream, as listeners are told it, and in how many copies its blocks are kept.
  virtual int streamId() const { return 0; }
  virtual std::uint32_t copies() const { return 1; }
};

class SLUICE_EXPORT ReceiverBase {
 public:
  virtual ~ReceiverBase();
  // The host (a worker's --host) where it would rather run; empty: anywhere. Asked in the driver.
  virtual std::string_view preferredLocation() const { return {}; }
  // Both are called on the receiver's own thread. onStart may block for as long as !sink.stopped(); when it returns without having
  // called restart() the receiver stays started (it may have made threads of its own) until onStop.
  virtual void onStart(BlockSink& sink) = 0;
  virtual void onStop() = 0;
};

struct ReceiverDesc {
  static constexpr std::uint64_t kMagic = 0x5264'7079'5474'6c53;
  std::uint64_t magic;
  const char* signature;
  ReceiverBase* (*make)(const char* captures, std::size_t size);  // captures: encoded constructor values
};

}  // inline namespace SLUICE_ABI
}  // namespace sluice
