#include "common/crash_record.h"

#include <cxxabi.h>
#include <execinfo.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <string_view>

#if defined(__x86_64__) || defined(__aarch64__)
#include <ucontext.h>
#endif

namespace sluice {
namespace {

constexpr int kSignals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
constexpr int kExitOfUserCode = 70;  // in place of a 0 that user code asked for

int recordFd = -1;
CrashPlace currentCrashPlace = nullptr;
std::atomic<bool> recorded{false};  // one record for each process: the first to die writes it
std::atomic<bool> leaving{false};

// A line that is put together without allocation.
class Line {
 public:
  Line& operator<<(std::string_view text) {
    std::size_t n = std::min(text.size(), sizeof text_ - size_);
    std::memcpy(text_ + size_, text.data(), n);
    size_ += n;
    return *this;
  }
  Line& number(std::uint64_t value, unsigned base = 10) {
    char digits[24];
    std::size_t at = sizeof digits;
    do {
      digits[--at] = "0123456789abcdef"[value % base];
      value /= base;
    } while (value != 0);
    return *this << std::string_view(digits + at, sizeof digits - at);
  }
  // Where the thread is, and the end of the line.
  Line& place() {
    char text[768];
    std::size_t length = currentCrashPlace ? std::min(currentCrashPlace(text, sizeof text), sizeof text) : 0;
    if (length == 0) return *this << " outside any operator\n";
    return *this << " in " << std::string_view(text, length) << "\n";
  }
  void write() const {
    for (std::size_t at = 0; at < size_;) {
      ssize_t n = ::write(recordFd, text_ + at, size_ - at);
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) return;
      at += std::size_t(n);
    }
  }

 private:
  char text_[2048];
  std::size_t size_ = 0;
};

void writeBacktrace() {
  void* frames[64];
  int count = ::backtrace(frames, 64);
  ::backtrace_symbols_fd(frames, count, recordFd);
}

std::uintptr_t stackPointer([[maybe_unused]] void* context) {
#if defined(__x86_64__)
  return std::uintptr_t(static_cast<ucontext_t*>(context)->uc_mcontext.gregs[REG_RSP]);
#elif defined(__aarch64__)
  return std::uintptr_t(static_cast<ucontext_t*>(context)->uc_mcontext.sp);
#else
  return 0;
#endif
}

void describe(Line& line, int signal, siginfo_t* info, void* context) {
  auto address = reinterpret_cast<std::uintptr_t>(info->si_addr);
  switch (signal) {
    case SIGSEGV:
    case SIGBUS: {
      std::uintptr_t stack = stackPointer(context);
      bool byHand = info->si_code <= 0;  // kill(), raise()
      if (!byHand && stack != 0 && address + (64u << 10) > stack && address < stack + (64u << 10)) {
        line << "stack overflow";
      } else {
        line << (signal == SIGSEGV ? "segmentation fault" : "bus error");
        if (!byHand && address < 4096) line << " (null pointer)";
        if (!byHand && address >= 4096) (line << " (address 0x").number(address, 16) << ")";
      }
      break;
    }
    case SIGFPE:
      line << (info->si_code == FPE_INTDIV ? "integer division by zero" : "arithmetic error");
      break;
    case SIGILL:
      line << "illegal instruction (was the module built for another processor, with -march?)";
      break;
    case SIGABRT:
      line << "abort() was called";
      break;
    default:
      line << "signal ", line.number(std::uint64_t(signal));
  }
}

void onCrash(int signal, siginfo_t* info, void* context) {
  if (!recorded.exchange(true)) {
    Line line;
    describe(line, signal, info, context);
    line.place().write();
    writeBacktrace();
  }
  // What would have happened without us: a faulting instruction runs again, the rest is raised again, delivered on
  // return.
  struct sigaction standard {};
  standard.sa_handler = SIG_DFL;
  ::sigaction(signal, &standard, nullptr);
  ::raise(signal);
}

void onTerminate() {
  if (!recorded.exchange(true)) {
    Line line;
    if (const std::type_info* type = abi::__cxa_current_exception_type()) {
      int status = 0;
      char* name = abi::__cxa_demangle(type->name(), nullptr, nullptr, &status);
      line << "uncaught exception " << (name ? name : type->name());
      try {
        throw;
      } catch (const std::exception& e) {
        line << ": ";
        for (const char* c = e.what(); *c; ++c) line << std::string_view(*c == '\n' ? " " : c, 1);
      } catch (...) {
      }
    } else {
      line << "std::terminate() was called";
    }
    line.place().write();
    writeBacktrace();
  }
  std::abort();
}

void onExit(int status, void*) {
  if (leaving.load()) return;
  if (!recorded.exchange(true)) {
    Line line;
    (line << "user code called exit(").number(std::uint64_t(status & 0xff)) << ")";
    line.place().write();
    writeBacktrace();
  }
  ::_exit(status != 0 ? status : kExitOfUserCode);
}

std::size_t stackSize() {
  long wanted = ::sysconf(_SC_SIGSTKSZ);
  return std::max<std::size_t>(64u << 10, wanted > 0 ? std::size_t(wanted) * 2 : 0);
}

}  // namespace

void installCrashRecord(int fd, CrashPlace place) {
  recordFd = fd, currentCrashPlace = place;
  void* frames[2];
  ::backtrace(frames, 2);  // loads what it needs now, while allocation is allowed
  struct sigaction ours {};
  ours.sa_sigaction = onCrash;
  ours.sa_flags = SA_SIGINFO | SA_ONSTACK;
  ::sigfillset(&ours.sa_mask);
  for (int signal : kSignals) ::sigaction(signal, &ours, nullptr);
  std::set_terminate(onTerminate);
}

CrashStack::CrashStack() : memory_(MAP_FAILED), before_(new stack_t{}) {
  memory_ = ::mmap(nullptr, stackSize(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
  if (memory_ == MAP_FAILED) return;  // a stack overflow then leaves no record
  stack_t stack{};
  stack.ss_sp = memory_, stack.ss_size = stackSize();
  ::sigaltstack(&stack, static_cast<stack_t*>(before_));
}

CrashStack::~CrashStack() {
  auto* before = static_cast<stack_t*>(before_);
  if (memory_ != MAP_FAILED) {
    // Also what a sanitizer had set; it frees at the thread's end what is set then.
    ::sigaltstack(before, nullptr);
    ::munmap(memory_, stackSize());
  }
  delete before;
}

void watchExit() { ::on_exit(onExit, nullptr); }

void goodbye() { leaving.store(true); }

std::string sentenceOf(std::string_view record) {
  constexpr std::size_t kMost = 2'000;
  std::string sentence(record.substr(0, std::min(record.find('\n'), kMost)));
  for (char& c : sentence) {
    if (static_cast<unsigned char>(c) < 32 || c == 127) c = ' ';
  }
  sentence.erase(sentence.find_last_not_of(' ') + 1);
  return sentence;
}

}  // namespace sluice
