#include "worker/executor/file_lock.h"

#include <fcntl.h>
#include <sys/file.h>

#include <cerrno>
#include <chrono>
#include <memory>
#include <thread>
#include <utility>

#include "common/mutex.h"
#include "sluice/error.h"
#include "worker/executor/directories.h"

namespace sluice::executor {

namespace {

// flock() waits without an end, so a thread of its own does that. If nobody waits for it any more, the file is closed as soon as it is locked.
struct Waiting {
  explicit Waiting(OwnedFd file) : fd(std::move(file)) {}
  Mutex mutex;
  CondVar over;
  OwnedFd fd GUARDED_BY(mutex);
  bool done GUARDED_BY(mutex) = false;
  int error GUARDED_BY(mutex) = 0;
};

void waitForLock(const std::shared_ptr<Waiting>& waiting, int fd) {
  int result;
  while ((result = ::flock(fd, LOCK_EX)) != 0 && errno == EINTR) {
  }
  MutexLock lock(waiting->mutex);
  waiting->done = true, waiting->error = result == 0 ? 0 : errno;
  waiting->over.notifyAll();
}

}  // namespace

OwnedFd lockFile(const std::string& path, Duration atMost) {
  OwnedFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
  if (!fd) throwErrno("cannot open", path);
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) == 0) return fd;
  if (errno != EWOULDBLOCK && errno != EINTR) throwErrno("cannot lock", path);
  int number = fd.get();
  auto waiting = std::make_shared<Waiting>(std::move(fd));
  std::thread([waiting, number] { waitForLock(waiting, number); }).detach();
  auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(atMost.milliseconds());
  MutexLock lock(waiting->mutex);
  while (!waiting->done) {
    auto left = std::chrono::duration_cast<std::chrono::microseconds>(until - std::chrono::steady_clock::now());
    if (left.count() <= 0) throwError(ErrorKind::kUnavailable, path + " is held by another process, which does not let go of it");
    waiting->over.waitFor(waiting->mutex, left.count());
  }
  if (waiting->error != 0) {
    errno = waiting->error;
    throwErrno("cannot lock", path);
  }
  return std::move(waiting->fd);
}

}  // namespace sluice::executor
