// A nameless temporary file that is appended to and read at offsets; its space is freed with the last user.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "sluice/operator.h"
#include "worker/executor/store.h"

namespace sluice::executor {

class SpillFile {
 public:
  // Throws Error(kUnavailable) with the directory and the reason.
  explicit SpillFile(const std::string& directory);
  ~SpillFile();
  SpillFile(const SpillFile&) = delete;
  // One thread at a time. Returns where the bytes begin. Throws Error(kUnavailable), as when the disk is full.
  std::uint64_t append(std::string_view bytes);
  // Any thread. Throws Error(kLost) if the file has fewer bytes.
  void read(std::uint64_t offset, char* to, std::size_t n) const;
  // Room at the end of the file, mapped for writing; for whoever unmaps it. `size`: n in whole pages.
  char* map(std::size_t n, std::size_t& size);
  std::uint64_t size() const { return size_; }

 private:
  int fd_ = -1;
  std::uint64_t size_ = 0;
  std::string directory_;
};

// The rows that one operator put aside (TaskContext::newSpill).
class OperatorSpill final : public Spill {
 public:
  explicit OperatorSpill(Store& store);
  void write(std::string_view rows) override;
  void rewind() override;
  std::size_t read(char* to, std::size_t n) override;
  std::uint64_t bytes() const { return file_->size() + pending_.size(); }
  std::uint64_t bytesOnDisk() const { return file_->size(); }

 private:
  void flush();
  Store& store_;
  std::unique_ptr<SpillFile> file_;
  std::string pending_;
  std::uint64_t at_ = 0;
};

}  // namespace sluice::executor
