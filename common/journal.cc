#include "common/journal.h"

#include "common/fail_point.h"

namespace sluice {
namespace {

class MemoryJournal final : public Journal {
 public:
  absl::Status replay(const std::function<void(std::uint64_t, std::string_view)>& snapshot,
                      const std::function<void(std::uint64_t, std::string_view)>&,
                      const std::function<void(const std::string&)>&) override {
    snapshot(0, {});
    return absl::OkStatus();
  }
  std::uint64_t append(std::string) override { return ++last_; }
  void sync() override {
    if (SLUICE_FAIL_POINT("journal.before_sync")) {
      if (failed_) failed_("the journal could not be synced");
    } else if (synced_) {
      synced_(last_);
    }
  }
  void onSynced(std::function<void(std::uint64_t)> synced, std::function<void(std::string)> failed) override {
    synced_ = std::move(synced), failed_ = std::move(failed);
  }
  std::uint64_t last() const override { return last_; }
  void snapshot(std::uint64_t, std::string) override {}

 private:
  std::uint64_t last_ = 0;
  std::function<void(std::uint64_t)> synced_;
  std::function<void(std::string)> failed_;
};

}  // namespace

std::unique_ptr<Journal> memoryJournal() { return std::make_unique<MemoryJournal>(); }

}  // namespace sluice
