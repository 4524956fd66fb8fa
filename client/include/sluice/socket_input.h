// Bytes of a TCP connection, as the functions of socketStream read them.
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sluice/codec.h"
#include "sluice/receiver_base.h"
#include "sluice/shipped.h"
#include "sluice/typed.h"

namespace sluice {
inline namespace SLUICE_ABI {

// One thread. Every call ends early when the receiver is stopped.
class SLUICE_EXPORT ByteInput {
 public:
  virtual ~ByteInput();
  // Up to n bytes; 0 at the end of the connection. Throws Error(kUnavailable) if it breaks.
  std::size_t read(char* to, std::size_t n);
  // Exactly n bytes; false if the connection ended before the first. Throws Error(kUnavailable) if it ends between.
  bool readExactly(char* to, std::size_t n);
  // Up to '\n', which is left out, or the end; false if there is nothing more. Throws Error(kInvalidArgument) for lines above `most` bytes.
  bool readLine(std::string& line, std::size_t most = 16 << 20);

 protected:
  virtual std::size_t receive(char* to, std::size_t n) = 0;  // what read() gives, from the connection

 private:
  std::string ahead_;  // read and not asked for yet
  std::size_t at_ = 0;
  bool fill();
};

// A block as rawSocketStream reads it from the wire: what a program that feeds one sends. 4 bytes of length (big-endian) of what follows;
// 4 bytes of the number of records (big-endian); the records' rows.
template <class T> std::string rawBlock(const std::vector<T>& records) {
  Buffer rows;
  for (const T& record : records) encodeValue(record, rows);
  std::string block;
  auto put = [&](std::uint32_t n) {
    for (int shift = 24; shift >= 0; shift -= 8) block += char(n >> shift);
  };
  put(std::uint32_t(rows.size() + 4)), put(std::uint32_t(records.size()));
  return block.append(rows.view());
}

namespace detail {

// Longer blocks on the wire are refused: nobody's length makes the executor allocate what it likes.
inline constexpr std::size_t kMostRawBlockBytes = 64 << 20;

// What a receiver does with its connection, until it ends.
class SocketBody {
 public:
  virtual void run(ByteInput& in, BlockSink& sink) = 0;

 protected:
  ~SocketBody() = default;
};
// Connects, runs the body, and has the receiver started again when the connection fails or ends.
SLUICE_EXPORT void receiveFromSocket(BlockSink& sink, const std::string& host, std::uint16_t port, SocketBody& body);
// Takes blocks until the connection ends. Each is decoded before it is taken: Error(kInvalidArgument) if it is none of `type`.
SLUICE_EXPORT void takeRawBlocks(ByteInput& in, BlockSink& sink, const TypeDesc& type);

template <class T> class SLUICE_HIDDEN RawSocketReceiver : public ReceiverBase, SocketBody {
 public:
  RawSocketReceiver(std::string host, std::uint16_t port) : host_(std::move(host)), port_(port) {}
  void onStart(BlockSink& sink) override { receiveFromSocket(sink, host_, port_, *this); }
  void onStop() override {}

 private:
  void run(ByteInput& in, BlockSink& sink) override { takeRawBlocks(in, sink, *typeDesc<T>()); }
  const std::string host_;
  const std::uint16_t port_;
};

// f(ByteInput&) -> optional<T>, again and again until it gives none.
template <class T, class F> class SLUICE_HIDDEN SocketReceiver : public ReceiverBase, SocketBody {
 public:
  SocketReceiver(F f, std::string host, std::uint16_t port) : f_(std::move(f)), host_(std::move(host)), port_(port) {}
  void onStart(BlockSink& sink) override { receiveFromSocket(sink, host_, port_, *this); }
  void onStop() override {}

  static std::string captures(const F& f, std::string_view host, std::uint16_t port) {
    Packing to{&desc, {}, {}};
    Travel<F>::pack(f, to);
    encodeValue(std::pair(std::string(host), port), to.rest);
    return to.raw.append(to.rest.view());
  }
  static constexpr const char* sign() { return __PRETTY_FUNCTION__; }
  static ReceiverBase* make(const char* captures, std::size_t size) {
    constexpr std::size_t raw = Travel<F>::kRaw;
    if (size < raw) throwDamagedRow("captures of another size than the receiver's");
    Unpacking from{&desc, captures, {captures + raw, captures + size}};
    F f = Travel<F>::unpack(from);
    auto [host, port] = Codec<std::pair<std::string, std::uint16_t>>::get(from.rest);
    return new SocketReceiver(std::move(f), std::move(host), port);
  }
  static constinit const ReceiverDesc desc;

 private:
  void run(ByteInput& in, BlockSink& sink) override {
    Buffer row;
    while (!sink.stopped()) {
      std::optional<T> record = f_(in);
      if (!record) return;
      row.clear();
      encodeValue(*record, row);
      sink.addRows(row.view(), 1);
    }
  }
  F f_;
  const std::string host_;
  const std::uint16_t port_;
};
template <class T, class F>
constinit const ReceiverDesc SocketReceiver<T, F>::desc{ReceiverDesc::kMagic, sign(), &SocketReceiver<T, F>::make};

}  // namespace detail
}  // inline namespace SLUICE_ABI
}  // namespace sluice
