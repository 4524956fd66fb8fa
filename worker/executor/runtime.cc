#include "worker/executor/runtime.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <system_error>

#include "common/archive.h"
#include "sluice/error.h"
#include "worker/executor/state_disk.h"
#include "worker/executor/state_log.h"
#include "worker/executor/task_run.h"

namespace sluice::executor {

namespace {
// Two fifths of the budget are for running tasks, the rest for objects.
std::uint64_t shareOf(const RuntimeOptions& options) {
  return std::max<std::uint64_t>(options.memoryBytes * 2 / 5 / std::max(options.slots, 1u), 64 << 10);
}
}  // namespace

Runtime::Runtime(RuntimeOptions options, CodeResolver& code)
    : code_(code), taskShare_(shareOf(options)), openStates_(options.states), clock_(options.clock), store_(options.memoryBytes * 3 / 5, options.spillDirectory),
      taskResources_(options.resources, options.taskResources) {
  store_.onFull([this] { return mapOutputs_.forgetAll(); });
}

Runtime::~Runtime() = default;

TaskDone Runtime::runTask(const TaskSpec& task) {
  TaskRun run(task, *this);
  return run.run();
}

std::unique_ptr<StateTable> Runtime::newState(RowsPtr version) {
  if (openStates_) {
    MutexLock lock(mutex_);
    if (!statesOnDisk_) statesOnDisk_ = openStates_(store_.directory() + "/states");
    std::shared_ptr<StateDb> db = statesOnDisk_;
    std::uint32_t number = statesMade_++;
    lock.unlock();
    return std::make_unique<StateDisk>(std::move(db), number, store_, std::move(version));
  }
  auto log = std::make_unique<StateLog>(store_);
  log->load(std::move(version));
  return log;
}

std::string Runtime::file(std::uint64_t id, const std::string& name, std::string_view contents) {
  namespace fs = std::filesystem;
  MutexLock lock(filesMutex_);  // whoever comes second waits until it is whole
  std::string& path = files_[{id, name}];
  if (!path.empty()) return path;
  std::string folder = store_.directory() + "/files/" + std::to_string(id);
  std::error_code error;
  fs::create_directories(folder, error);
  std::ofstream out(folder + "/" + name, std::ios::binary | std::ios::trunc);
  out.write(contents.data(), std::streamsize(contents.size()));
  out.close();
  if (!out) throwError(ErrorKind::kUnavailable, "the file " + name + " of Context::addFile cannot be written to " + folder);
  return path = folder + "/" + name;
}

std::string Runtime::archive(const proto::ShippedFile& file, std::string_view contents) {
  MutexLock lock(filesMutex_);
  std::string& path = files_[{file.broadcast(), file.name()}];
  if (!path.empty()) return path;
  std::string folder = store_.directory() + "/files/" + std::to_string(file.broadcast()) + "/" + file.name();
  auto status = unpackArchive(contents, file.archive(), folder, file.archive_bytes());
  if (!status.ok()) throwError(ErrorKind::kUnavailable, "Files::get: " + std::string(status.message()));
  return path = folder;
}

void Runtime::putBroadcast(std::uint64_t id, Bytes value) {
  MutexLock lock(mutex_);
  auto [it, fresh] = broadcasts_.try_emplace(id);
  if (!fresh) return;
  store_.charge(std::int64_t(value.size()));
  it->second = std::move(value);
}

void Runtime::dropBroadcast(std::uint64_t id) {
  MutexLock lock(mutex_);
  auto it = broadcasts_.find(id);
  if (it == broadcasts_.end()) return;
  store_.charge(-std::int64_t(it->second.size()));
  broadcasts_.erase(it);
}

bool Runtime::broadcast(std::uint64_t id, Bytes& value) {
  MutexLock lock(mutex_);
  auto it = broadcasts_.find(id);
  if (it == broadcasts_.end()) return false;
  value = it->second;
  return true;
}

}  // namespace sluice::executor
