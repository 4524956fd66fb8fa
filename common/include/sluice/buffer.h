// Growable bytes that cross the seam between modules and libsluice: fixed layout, one allocator.
#pragma once
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <new>
#include <string_view>
#include <utility>

#include "sluice/abi.h"

namespace sluice {
inline namespace SLUICE_ABI {

class Buffer {
 public:
  Buffer() = default;
  Buffer(Buffer&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)), capacity_(std::exchange(other.capacity_, 0)) {}
  Buffer& operator=(Buffer&& other) noexcept {
    std::swap(data_, other.data_), std::swap(size_, other.size_), std::swap(capacity_, other.capacity_);
    return *this;
  }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  ~Buffer() { std::free(data_); }

  const char* data() const { return data_; }
  char* data() { return data_; }
  std::size_t size() const { return size_; }
  std::size_t capacity() const { return capacity_; }
  bool empty() const { return size_ == 0; }
  std::string_view view() const { return {data_, size_}; }
  void clear() { size_ = 0; }

  // Room for `more` bytes; the caller writes there and then calls advance().
  char* reserve(std::size_t more) {
    if (size_ + more > capacity_) grow(size_ + more);
    return data_ + size_;
  }
  void advance(std::size_t written) { size_ += written; }
  void append(const void* bytes, std::size_t n) {
    if (n == 0) return;
    std::memcpy(reserve(n), bytes, n);
    size_ += n;
  }
  void append(std::string_view text) { append(text.data(), text.size()); }
  void push(char c) { *reserve(1) = c, ++size_; }
  // Cuts back to the first `size` bytes, or makes room and zeroes what is new.
  void resize(std::size_t size) {
    if (size > size_) std::memset(reserve(size - size_), 0, size - size_);
    size_ = size;
  }

 private:
  [[gnu::noinline]] void grow(std::size_t need) {
    std::size_t capacity = capacity_ < 64 ? 64 : capacity_ * 2;
    if (capacity < need) capacity = need;
    void* data = std::realloc(data_, capacity);
    if (!data) throw std::bad_alloc();
    data_ = static_cast<char*>(data), capacity_ = capacity;
  }

  char* data_ = nullptr;
  std::size_t size_ = 0, capacity_ = 0;
};

}  // inline namespace SLUICE_ABI
}  // namespace sluice
