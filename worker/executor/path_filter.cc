#include "worker/executor/path_filter.h"

#include <memory>

#include "sluice/error.h"

namespace sluice::executor {

namespace {

// There is no task: a filter of paths can ask for nothing.
class NoTask final : public TaskContext {
 public:
  NodePart nodePart() const override { return {}; }
  bool cancelled() const override { return false; }
  std::optional<std::string_view> getLocalProperty(std::string_view) const override { return std::nullopt; }
  void addListener(TaskListener* listener, bool) override {
    delete listener;
    refuse();
  }
  void failedAt(std::size_t) override {}
  std::size_t memoryShare() const override { return 1 << 20; }
  bool hold(std::int64_t) override { return true; }
  Spill* newSpill() override { refuse(); }
  std::string file(std::string_view) override { refuse(); }
  std::string_view broadcast(std::uint64_t) override { refuse(); }
  void*& local(std::uint64_t, void (*)(void*)) override { refuse(); }
  void accumulate(std::uint64_t, std::string_view) override { refuse(); }

 private:
  [[noreturn]] static void refuse() {
    throwError(ErrorKind::kIllegalState, "a filter of files runs outside tasks: what tasks have is not there");
  }
};

}  // namespace

std::vector<FileFacts> filterFiles(const OpDesc& filter, std::string_view captures, std::vector<FileFacts> files) {
  std::unique_ptr<StepOperator> op(static_cast<StepOperator*>(filter.make(captures.data(), captures.size())));
  NoTask task;
  std::vector<FileFacts> wanted;
  for (FileFacts& file : files) {
    std::string_view path = file.path;
    Chunk out;
    op->process({&path, 1}, out, task);
    if (out.size != 0) wanted.push_back(std::move(file));
  }
  return wanted;
}

}  // namespace sluice::executor
