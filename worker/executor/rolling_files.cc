#include "worker/executor/rolling_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <iterator>
#include <set>
#include <utility>

#include "common/process.h"
#include "sluice/error.h"
#include "worker/executor/directories.h"
#include "worker/executor/file_lock.h"

namespace sluice::executor {

namespace {

constexpr const char* kRecordName = ".rolling";
constexpr const char* kLockName = ".rolling-lock";
constexpr Duration kLongestWait = Seconds(30);

std::string openName(const std::string& file) { return "." + file; }

// The batch that a file of ours began with, from its name; 0: it is none.
std::int64_t firstBatchOf(std::string_view name) {
  if (name.starts_with('.')) name.remove_prefix(1);
  std::int64_t whenMs = 0;
  if (!name.starts_with("part-")) return 0;
  name.remove_prefix(5);
  auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), whenMs);
  bool ours = error == std::errc() && end != name.data() + name.size() && *end == '-';
  return ours ? whenMs : 0;
}

// One directory while it is locked: whoever was here before and is still busy, or half dead, is waited for.
class RollingDirectory {
 public:
  RollingDirectory(const proto::Publish::Rolling& rolling, std::int64_t whenMs) : rolling_(rolling), whenMs_(whenMs), path_(rolling.directory()) {
    makeDirectories(path_);
    lock_ = lockFile(at(kLockName), kLongestWait);
    load();
  }
  void append();

 private:
  std::string at(const std::string& name) const { return path_ + "/" + name; }
  void load();
  void save();
  void nameFinished();
  void takeOver();
  void takeBack();
  OwnedFd openAt(const std::string& file, std::int64_t bytes) const;
  void copy(const std::string& staged, int to, const std::string& file) const;
  void write(const RollingPlan& plan) const;
  void dropStaged() const;

  const proto::Publish::Rolling& rolling_;
  const std::int64_t whenMs_;
  const std::string path_;
  OwnedFd lock_;
  RollingRecord record_;
};

void RollingDirectory::load() {
  OwnedFd file(::open(at(kRecordName).c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) {
    if (errno == ENOENT) return;
    throwErrno("cannot read", at(kRecordName));
  }
  std::string text;
  char some[4096];
  ssize_t n;
  while ((n = ::read(file.get(), some, sizeof(some))) > 0 || (n < 0 && errno == EINTR)) {
    if (n > 0) text.append(some, std::size_t(n));
  }
  if (n < 0) throwErrno("cannot read", at(kRecordName));
  if (absl::Status status = RollingRecord::parse(text, record_); !status.ok()) {
    throwError(ErrorKind::kIllegalState, at(kRecordName) + " " + std::string(status.message()) +
                                             ": nobody knows which records the open file holds; move the directory away, or name another one");
  }
}

// Replaces the record as a whole: the commit point of all that was done before.
void RollingDirectory::save() {
  std::string text = record_.text(), temporary = at(std::string(kRecordName) + "-new");
  OwnedFd file(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  if (!file) throwErrno("cannot create", temporary);
  for (std::string_view left = text; !left.empty();) {
    ssize_t n = ::write(file.get(), left.data(), left.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throwErrno("cannot write", temporary);
    left.remove_prefix(std::size_t(n));
  }
  if (::fsync(file.get()) != 0) throwErrno("cannot sync", temporary);
  if (::rename(temporary.c_str(), at(kRecordName).c_str()) != 0) throwErrno("cannot name", at(kRecordName));
  syncDirectory(path_);
}

// What the record says is finished gets its last name, with the time of now: whoever watches the directory looks for new files.
void RollingDirectory::nameFinished() {
  bool any = false;
  for (const std::string& file : record_.finished) {
    std::string from = at(openName(file));
    ::utimensat(AT_FDCWD, from.c_str(), nullptr, 0);
    if (::rename(from.c_str(), at(file).c_str()) == 0) any = true;
    else if (errno != ENOENT) throwErrno("cannot name", at(file));
  }
  if (any) syncDirectory(path_);
}

// Somebody else wrote here before: what he left open is finished, as far as his record says it is good.
void RollingDirectory::takeOver() {
  auto open = record_.open();
  if (!open.file.empty()) {
    OwnedFd file = openAt(open.file, open.bytes);
    if (::fsync(file.get()) != 0) throwErrno("cannot sync", at(openName(open.file)));
    record_.finished.push_back(open.file);
  }
  record_.marks.clear();
}

// An earlier run wrote batches that come again: files that began with them go, and the one that was open at the cut is open again.
void RollingDirectory::takeBack() {
  std::int64_t cut = rolling_.replayed_ms();
  auto after = record_.marks.upper_bound(cut);
  if (cut == 0 || after == record_.marks.end()) return;
  RollingRecord::Mark open = after == record_.marks.begin() ? RollingRecord::Mark() : std::prev(after)->second;
  std::error_code error;
  std::vector<std::string> gone;
  for (std::filesystem::directory_iterator it(path_, error), end; !error && it != end; it.increment(error)) {
    if (firstBatchOf(it->path().filename().string()) > cut) gone.push_back(it->path().string());
  }
  for (const std::string& path : gone) ::unlink(path.c_str());
  if (!open.file.empty()) {
    if (::rename(at(open.file).c_str(), at(openName(open.file)).c_str()) != 0 && errno != ENOENT) throwErrno("cannot open again", at(open.file));
    openAt(open.file, open.bytes);
  }
  record_.marks.erase(after, record_.marks.end());
  record_.finished.clear();
}

// The open file, cut to what is good of it.
OwnedFd RollingDirectory::openAt(const std::string& file, std::int64_t bytes) const {
  std::string path = at(openName(file));
  OwnedFd fd(::open(path.c_str(), O_WRONLY | (bytes == 0 ? O_CREAT : 0) | O_CLOEXEC, 0644));
  struct stat facts {};
  if (!fd || ::fstat(fd.get(), &facts) != 0) throwErrno("cannot open", path);
  if (facts.st_size < bytes) {
    throwError(ErrorKind::kIllegalState, path + " has " + std::to_string(facts.st_size) + " bytes of the " + std::to_string(bytes) +
                                             " that were written: somebody else changed it; move the directory away, or name another one");
  }
  if (::ftruncate(fd.get(), off_t(bytes)) != 0 || ::lseek(fd.get(), off_t(bytes), SEEK_SET) < 0) throwErrno("cannot cut", path);
  return fd;
}

void RollingDirectory::copy(const std::string& staged, int to, const std::string& file) const {
  OwnedFd from(::open(staged.c_str(), O_RDONLY | O_CLOEXEC));
  if (!from) throwErrno("cannot read", staged);
  char some[64 << 10];
  for (;;) {
    ssize_t n = ::read(from.get(), some, sizeof(some));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throwErrno("cannot read", staged);
    if (n == 0) return;
    for (std::string_view left(some, std::size_t(n)); !left.empty();) {
      ssize_t written = ::write(to, left.data(), left.size());
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) throwErrno("cannot write", at(openName(file)));
      left.remove_prefix(std::size_t(written));
    }
  }
}

// The data of the batch, synced. Nothing of it counts before the record is saved.
void RollingDirectory::write(const RollingPlan& plan) const {
  auto open = record_.open();
  for (std::size_t i = 0; i < plan.pieces.size();) {
    const std::string& file = plan.pieces[i].file;
    OwnedFd fd = openAt(file, file == open.file ? open.bytes : 0);
    for (; i < plan.pieces.size() && plan.pieces[i].file == file; ++i) copy(rolling_.staged(int(plan.pieces[i].part)), fd.get(), file);
    if (::fsync(fd.get()) != 0) throwErrno("cannot sync", at(openName(file)));
  }
  // Finished without anything new in it: a torn attempt may have appended.
  if (!plan.finished.empty() && plan.finished[0] == open.file && (plan.pieces.empty() || plan.pieces[0].file != open.file)) {
    OwnedFd fd = openAt(open.file, open.bytes);
    if (::fsync(fd.get()) != 0) throwErrno("cannot sync", at(openName(open.file)));
  }
}

void RollingDirectory::append() {
  nameFinished();
  bool changed = false;
  if (record_.owner != rolling_.owner()) {
    if (!record_.owner.empty()) {
      if (record_.begunMs >= rolling_.begun_ms()) {
        throwError(ErrorKind::kIllegalState, "the files in " + path_ + " are rolled by another stream (" + record_.owner + "); name another directory");
      }
      takeOver();
    }
    record_.owner = rolling_.owner(), record_.begunMs = rolling_.begun_ms();
    changed = true;
  } else if (record_.begunMs > rolling_.begun_ms()) {
    throwError(ErrorKind::kIllegalState, "the files in " + path_ + " are rolled by a later run of this stream (" + record_.owner + ")");
  } else if (record_.begunMs < rolling_.begun_ms()) {
    takeBack();
    record_.begunMs = rolling_.begun_ms();
    changed = true;
  }
  if (changed) {
    save();
    nameFinished();
  }
  if (whenMs_ <= record_.lastMs()) return dropStaged();  // done before
  std::vector<std::int64_t> sizes;
  for (const std::string& staged : rolling_.staged()) {
    struct stat facts {};
    if (::stat(staged.c_str(), &facts) != 0) throwErrno("cannot read", staged);
    sizes.push_back(facts.st_size);
  }
  RollingPlan plan = planRolling(record_.open(), rolling_, whenMs_, sizes);
  if (!plan.pieces.empty() || !plan.finished.empty()) {
    write(plan);
    record_.finished = plan.finished;
    // The end of a stream is no batch: a run that is restored from its last one has nothing to take back.
    bool ends = rolling_.finish() && !record_.marks.empty();
    record_.marks[ends ? record_.lastMs() : whenMs_] = plan.open;
    auto kept = record_.marks.upper_bound(rolling_.kept_ms());
    if (kept != record_.marks.begin()) record_.marks.erase(record_.marks.begin(), std::prev(kept));
    save();
    nameFinished();
  }
  dropStaged();
}

void RollingDirectory::dropStaged() const {
  std::set<std::string> directories;
  for (const std::string& staged : rolling_.staged()) {
    ::unlink(staged.c_str());
    directories.insert(parentOf(staged));
  }
  for (const std::string& directory : directories) ::rmdir(directory.c_str());
}

}  // namespace

void appendRolling(const proto::Publish::Rolling& rolling, std::int64_t whenMs) { RollingDirectory(rolling, whenMs).append(); }

}  // namespace sluice::executor
