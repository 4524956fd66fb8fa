// Bytes that stay where they are until the task ends: what had to be decompressed, and what records are views of. The first of them lie in
// memory; what comes after lies in a nameless file, mapped, so that a long text takes disk instead.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "sluice/abi.h"
#include "worker/executor/store.h"

namespace sluice::executor {

class SpillFile;

// One thread.
class SLUICE_INTERNAL LastingBytes {
 public:
  // `inMemory`: so many bytes are taken from memory (and counted in the store) before the disk is.
  LastingBytes(Store& store, std::uint64_t inMemory);
  ~LastingBytes();
  LastingBytes(const LastingBytes&) = delete;

  // Room for n bytes, at least. Throws Error(kUnavailable) if the disk is full.
  char* take(std::size_t n);
  // They were read, and will hardly be read again: those on disk leave memory (and come back if they are).
  void cool(const char* at);
  std::uint64_t bytesOnDisk() const { return onDisk_; }

 private:
  struct Run {
    char* at;
    std::size_t size;
    bool mapped;
  };
  char* takeFromDisk(std::size_t n);

  Store& store_;
  std::uint64_t left_, onDisk_ = 0;
  std::vector<Run> runs_;
  std::unique_ptr<SpillFile> file_;
};

}  // namespace sluice::executor
