// Where an operator puts the records it makes: constructed in place, destroyed at its next call.
#pragma once
#include <cstddef>
#include <new>
#include <utility>

#include "sluice/abi.h"
#include "sluice/chunk_memory.h"
#include "sluice/operator.h"
#include "sluice/types.h"

namespace sluice {
inline namespace SLUICE_ABI {
namespace ops {

template <class T> class SLUICE_HIDDEN OutputChunk {
 public:
  // Owned text is kept to fewer records: they may be long.
  static constexpr std::size_t kCapacity =
      holds_text<T>::value && chunkRecords(sizeof(T)) > 64 ? 64 : chunkRecords(sizeof(T));

  OutputChunk() = default;
  OutputChunk(const OutputChunk&) = delete;
  OutputChunk& operator=(const OutputChunk&) = delete;
  ~OutputChunk() {
    clear();
    detail::giveChunkMemory(records_, kCapacity * sizeof(T), alignof(T));
  }

  // Destroys the records; there is room for kCapacity from then on.
  void clear() {
    if (!records_) [[unlikely]] records_ = static_cast<T*>(detail::takeChunkMemory(kCapacity * sizeof(T), alignof(T)));
    if constexpr (!std::is_trivially_destructible_v<T>) for (std::size_t i = 0; i < size_; ++i) records_[i].~T();
    size_ = 0;
  }
  std::size_t size() const { return size_; }
  std::size_t room() const { return kCapacity - size_; }
  bool full() const { return size_ == kCapacity; }
  template <class... A> void emplace(A&&... args) {
    new (records_ + size_) T(std::forward<A>(args)...);
    ++size_;
  }
  // Constructs a record from what make() returns, without a move if that is a T.
  template <class Make> void make(Make&& make) {
    new (records_ + size_) T(make());
    ++size_;
  }
  // For those who construct records themselves: where the next one goes, and that n were made.
  T* end() { return records_ + size_; }
  void made(std::size_t n) { size_ += n; }
  Chunk chunk() { return {records_, size_}; }

 private:
  T* records_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace ops
}  // inline namespace SLUICE_ABI
}  // namespace sluice
