#include "worker/children.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>
#include <vector>

#include "common/clock.h"

namespace sluice::worker {
namespace {

constexpr std::uint64_t kLogBytes = 8 << 20;
constexpr int kLogsKept = 3;
constexpr std::size_t kRecordBytes = 16 << 10;

}  // namespace

struct Children::Child {
  Child(std::uint64_t number, const std::string& log, Ended told)
      : id(number), outLog(log + ".out", kLogBytes, kLogsKept), errLog(log + ".err", kLogBytes, kLogsKept), ended(std::move(told)) {}
  std::uint64_t id;
  Process process;
  RotatingFile outLog, errLog;
  std::string record;
  Ended ended;
};

Children::Children() : poll_(::epoll_create1(EPOLL_CLOEXEC)), wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.ptr = nullptr;
  ::epoll_ctl(poll_.get(), EPOLL_CTL_ADD, wake_.get(), &event);
  thread_ = std::thread([this] { loop(); });
}

Children::~Children() {
  endAll(0);
  std::uint64_t one = 1;
  [[maybe_unused]] ssize_t n = ::write(wake_.get(), &one, sizeof one);
  thread_.join();
}

absl::Status Children::start(std::uint64_t id, ProcessSpec spec, const std::string& log, const std::string& letter, Ended ended) {
  auto child = std::make_unique<Child>(id, log, std::move(ended));
  spec.out = spec.err = ProcessSpec::Stream::kPipe;
  spec.lifeline = true;
  MutexLock lock(mutex_);
  if (auto status = spawn(spec, child->process); !status.ok()) return status;
  for (int fd : {child->process.out.get(), child->process.err.get(), child->process.crashRecord.get(), child->process.lifeline.get()}) {
    if (fd >= 0) ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK);
  }
  ::fcntl(child->process.lifeline.get(), F_SETPIPE_SZ, int(letter.size() + 4096));  // it must fit whole: nobody reads yet
  if (!letter.empty() && ::write(child->process.lifeline.get(), letter.data(), letter.size()) != ssize_t(letter.size())) {
    child->process.signal(SIGKILL);  // told as its end
  }
  watch(*child);
  children_[id] = std::move(child);
  return absl::OkStatus();
}

// Events carry the child; it is let go of by this thread's loop only, after its last event.
void Children::watch(Child& child) {
  for (int fd : {child.process.out.get(), child.process.err.get(), child.process.crashRecord.get(), child.process.exit.get()}) {
    if (fd < 0) continue;
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.ptr = &child;
    ::epoll_ctl(poll_.get(), EPOLL_CTL_ADD, fd, &event);
  }
}

// False: nothing more will come (and the descriptor is closed).
bool Children::drain(OwnedFd& from, RotatingFile* log, std::string* record) {
  std::array<char, 32768> bytes;
  while (from) {
    ssize_t n = ::read(from.get(), bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) return true;
    if (n <= 0) break;
    if (log) log->write({bytes.data(), std::size_t(n)});
    if (record && record->size() < kRecordBytes) record->append(bytes.data(), std::size_t(n));
  }
  from.close();
  return false;
}

void Children::finish(std::unique_ptr<Child> child) {
  child->process.killGroup();  // what it started itself does not outlive it
  drain(child->process.out, &child->outLog, nullptr);
  drain(child->process.err, &child->errLog, nullptr);
  drain(child->process.crashRecord, nullptr, &child->record);
  child->ended(child->process.wait(), child->record);
}

void Children::loop() {
  std::array<epoll_event, 64> events;
  for (;;) {
    int n = ::epoll_wait(poll_.get(), events.data(), int(events.size()), -1);
    std::vector<Child*> ended;
    for (int i = 0; i < n; ++i) {
      if (!events[i].data.ptr) return;
      auto* child = static_cast<Child*>(events[i].data.ptr);
      drain(child->process.out, &child->outLog, nullptr);
      drain(child->process.err, &child->errLog, nullptr);
      drain(child->process.crashRecord, nullptr, &child->record);
      if (siginfo_t info{}; ::waitid(P_PID, id_t(child->process.pid), &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid != 0) {
        if (std::find(ended.begin(), ended.end(), child) == ended.end()) ended.push_back(child);
      }
    }
    for (Child* child : ended) {
      std::unique_ptr<Child> owned;
      {
        MutexLock lock(mutex_);
        auto it = children_.find(child->id);
        owned = std::move(it->second);
        children_.erase(it);
        ++finishing_;
      }
      finish(std::move(owned));
      MutexLock lock(mutex_);
      --finishing_;
      changed_.notifyAll();
    }
  }
}

void Children::signal(std::uint64_t id, int number) {
  MutexLock lock(mutex_);
  if (auto it = children_.find(id); it != children_.end()) it->second->process.signal(number);
}

void Children::kill(std::uint64_t id) {
  MutexLock lock(mutex_);
  if (auto it = children_.find(id); it != children_.end()) it->second->process.killGroup();
}

void Children::letGo(std::uint64_t id) {
  MutexLock lock(mutex_);
  if (auto it = children_.find(id); it != children_.end()) it->second->process.lifeline.close();
}

std::uint64_t Children::residentBytes(std::uint64_t id) const {
  pid_t pid = -1;
  {
    MutexLock lock(mutex_);
    if (auto it = children_.find(id); it != children_.end()) pid = it->second->process.pid;
  }
  if (pid < 0) return 0;
  unsigned long long total = 0, resident = 0;
  std::FILE* file = std::fopen(("/proc/" + std::to_string(pid) + "/statm").c_str(), "re");
  if (!file) return 0;
  int read = std::fscanf(file, "%llu %llu", &total, &resident);
  std::fclose(file);
  return read == 2 ? resident * std::uint64_t(::sysconf(_SC_PAGESIZE)) : 0;
}

void Children::endAll(int waitMs) {
  MutexLock lock(mutex_);
  for (auto& [id, child] : children_) child->process.lifeline.close();
  Moment until = SystemClock::read() + Milliseconds(waitMs);
  while (!(children_.empty() && finishing_ == 0) && changed_.waitUntil(mutex_, until)) {
  }
  for (auto& [id, child] : children_) child->process.killGroup();
  while (!(children_.empty() && finishing_ == 0)) changed_.wait(mutex_);
}

}  // namespace sluice::worker
