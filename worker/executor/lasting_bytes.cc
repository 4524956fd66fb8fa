#include "worker/executor/lasting_bytes.h"

#include <sys/mman.h>

#include <cstdlib>
#include <new>

#include "worker/executor/spill_file.h"

namespace sluice::executor {

LastingBytes::LastingBytes(Store& store, std::uint64_t inMemory) : store_(store), left_(inMemory) {}

LastingBytes::~LastingBytes() {
  for (const Run& run : runs_) {
    if (run.mapped) {
      ::munmap(run.at, run.size);
    } else {
      std::free(run.at);
      store_.charge(-std::int64_t(run.size));
    }
  }
}

char* LastingBytes::take(std::size_t n) {
  if (n > left_) return takeFromDisk(n);
  auto at = static_cast<char*>(std::malloc(n ? n : 1));
  if (!at) throw std::bad_alloc();
  left_ -= n;
  store_.charge(std::int64_t(n));
  runs_.push_back({at, n, false});
  return at;
}

char* LastingBytes::takeFromDisk(std::size_t n) {
  std::size_t size = 0;
  char* at = store_.onDisk([&] {
    if (!file_) file_ = std::make_unique<SpillFile>(store_.directory());
    return file_->map(n, size);
  });
  runs_.push_back({at, size, true});
  onDisk_ += size;
  return at;
}

void LastingBytes::cool(const char* at) {
  for (std::size_t i = runs_.size(); i > 0; --i) {
    const Run& run = runs_[i - 1];
    if (run.at != at) continue;
    if (run.mapped) ::madvise(run.at, run.size, MADV_DONTNEED);
    return;
  }
}

}  // namespace sluice::executor
