#include "worker/executor/map_guard.h"

#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <mutex>
#include <vector>

namespace sluice::executor {

namespace {

constexpr int kSlots = 4096;
struct Slot {
  std::atomic<std::uintptr_t> start{0}, end{0};  // the end is written last, and first set to 0: a signal handler reads them at any time
  std::atomic<const char*> path{nullptr};
};
Slot slots[kSlots];
std::atomic<int> slotsInUse{0};  // none beyond it

std::mutex mutex;
std::vector<int> freeSlots;  // guarded by mutex; those below slotsInUse
struct sigaction before {};  // of SIGBUS
std::uintptr_t pageSize = 4096;

thread_local char cutPath[1024];

// No locks and no allocation: a signal handler.
bool becomesZeros(std::uintptr_t at) {
  for (int i = 0, n = slotsInUse.load(); i < n; ++i) {
    std::uintptr_t start = slots[i].start.load(), end = slots[i].end.load();
    if (at < start || at >= end || slots[i].start.load() != start) continue;  // the last: it is another's meanwhile
    std::uintptr_t page = at / pageSize * pageSize;
    void* zeros = ::mmap(reinterpret_cast<void*>(page), end - page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0);
    if (zeros == MAP_FAILED) return false;
    if (const char* path = slots[i].path.load(); path && cutPath[0] == '\0') {
      std::memcpy(cutPath, path, std::min(std::strlen(path), sizeof cutPath - 1));
    }
    return true;
  }
  return false;
}

void onBusError(int signal, siginfo_t* info, void* context) {
  int error = errno;
  bool ours = becomesZeros(reinterpret_cast<std::uintptr_t>(info->si_addr));
  errno = error;
  if (ours) return;
  if (before.sa_flags & SA_SIGINFO) return before.sa_sigaction(signal, info, context);
  if (before.sa_handler != SIG_DFL && before.sa_handler != SIG_IGN) return before.sa_handler(signal);
  ::sigaction(signal, &before, nullptr);  // happens again, and takes its course
  if (info->si_code <= 0) ::raise(signal);  // unless somebody sent it
}

void install() {
  pageSize = std::uintptr_t(::sysconf(_SC_PAGESIZE));
  ::sigaction(SIGBUS, nullptr, &before);
  struct sigaction ours {};
  ours.sa_sigaction = onBusError;
  ours.sa_flags = SA_SIGINFO | SA_ONSTACK;
  ::sigfillset(&ours.sa_mask);
  ::sigaction(SIGBUS, &ours, nullptr);
}

}  // namespace

MapGuard::MapGuard(const char* start, std::size_t size, const std::string& path) {
  static std::once_flag installed;
  std::call_once(installed, install);
  {
    std::lock_guard lock(mutex);
    if (!freeSlots.empty()) {
      slot_ = freeSlots.back();
      freeSlots.pop_back();
    } else if (slotsInUse.load() < kSlots) {
      slot_ = slotsInUse.fetch_add(1);
    }
  }
  if (slot_ < 0) return;
  Slot& slot = slots[slot_];
  auto first = reinterpret_cast<std::uintptr_t>(start);
  slot.path = path.c_str();
  slot.start = first;
  slot.end = (first + size + pageSize - 1) / pageSize * pageSize;
}

MapGuard::~MapGuard() {
  if (slot_ < 0) return;
  slots[slot_].end = 0;
  slots[slot_].path = nullptr;
  std::lock_guard lock(mutex);
  freeSlots.push_back(slot_);
}

std::string cutShort(const std::string& path) { return path + " became shorter while it was read"; }

std::string takeCutFile() {
  if (cutPath[0] == '\0') return {};
  std::string path = cutPath;
  std::memset(cutPath, 0, sizeof cutPath);
  return path;
}

}  // namespace sluice::executor
