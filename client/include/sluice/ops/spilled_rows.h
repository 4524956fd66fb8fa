// Typed rows on a task's temporary files.
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>

#include "sluice/buffer.h"
#include "sluice/codec.h"
#include "sluice/operator.h"

namespace sluice {
inline namespace SLUICE_ABI {
namespace ops {

// Rows on a Spill: blocks of [bytes, records, rows].
template <class T> class SLUICE_HIDDEN RunWriter {
 public:
  explicit RunWriter(Spill& spill) : spill_(spill) {}
  void add(const T& record) {
    encodeValue(record, rows_);
    ++records_;
    if (rows_.size() >= kBlock) flush();
  }
  void flush() {
    if (records_ == 0) return;
    std::uint64_t head[2] = {rows_.size(), records_};
    spill_.write({reinterpret_cast<const char*>(head), sizeof head});
    spill_.write(rows_.view());
    rows_.clear();
    records_ = 0;
  }

 private:
  static constexpr std::size_t kBlock = 64 * 1024;
  Spill& spill_;
  Buffer rows_;
  std::uint64_t records_ = 0;
};

template <class T> class SLUICE_HIDDEN RunReader {
 public:
  explicit RunReader(Spill& spill) : spill_(&spill) { spill.rewind(); }
  std::optional<T> next() {
    if (records_ == 0 && !readBlock()) return std::nullopt;
    --records_;
    return std::optional<T>(Codec<T>::get(rows_));
  }

 private:
  bool readBlock() {
    std::uint64_t head[2];
    std::size_t got = readAll(reinterpret_cast<char*>(head), sizeof head);
    if (got == 0) return false;
    if (got != sizeof head) throwDamagedRow("a temporary file ends too early");
    block_.clear();
    if (readAll(block_.reserve(head[0]), head[0]) != head[0]) throwDamagedRow("a temporary file ends too early");
    rows_ = {block_.data(), block_.data() + head[0]};
    records_ = head[1];
    return true;
  }
  std::size_t readAll(char* to, std::size_t n) {
    std::size_t done = 0;
    while (done < n) {
      std::size_t got = spill_->read(to + done, n - done);
      if (got == 0) break;
      done += got;
    }
    return done;
  }

  Spill* spill_;
  Buffer block_;
  RowReader rows_{nullptr, nullptr};
  std::uint64_t records_ = 0;  // left in the block
};

}  // namespace ops
}  // inline namespace SLUICE_ABI
}  // namespace sluice
