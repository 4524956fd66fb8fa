// What a process that dies of user code leaves behind: one sentence that says how and where, then a backtrace, written
// by the dying thread itself. Executors write it to their crash record (descriptor 3), where the worker reads it; local
// mode to stderr.
#pragma once
#include <cstddef>
#include <string>
#include <string_view>

#include "sluice/abi.h"

namespace sluice {

// Writes where the calling thread is ("map at wordcount.cc:12, batch 1000 ms, partition 3") without a final zero and
// returns the length; 0: outside any operator. Called in signal handlers: no locks, no allocation.
using CrashPlace = std::size_t (*)(char* text, std::size_t room);

// Once, early: handlers for SIGSEGV, SIGBUS, SIGFPE, SIGILL and SIGABRT that write the record and then let the signal
// take its course, and a terminate handler that names the exception. Handlers that others install later win.
SLUICE_INTERNAL void installCrashRecord(int fd, CrashPlace place);

// An alternate stack for the calling thread's signal handlers: without one a stack overflow leaves no record. Lives on
// the thread's stack, first of all.
class SLUICE_INTERNAL CrashStack {
 public:
  CrashStack();
  ~CrashStack();
  CrashStack(const CrashStack&) = delete;
  CrashStack& operator=(const CrashStack&) = delete;

 private:
  void* memory_;
  void* before_;  // the stack_t that was set
};

// From now on exit() is taken for user code's doing: it leaves a record and the process ends at once, with a code that
// is not 0. Call it after modules are loaded, so that this runs before their own exit handlers.
SLUICE_INTERNAL void watchExit();
// This process ends in order: exit() leaves no record any more.
SLUICE_INTERNAL void goodbye();

// The sentence of a record, or of whatever else a process left in its last moments: the first line, to 2,000 bytes, with blanks for control
// characters. Empty if there is none.
SLUICE_INTERNAL std::string sentenceOf(std::string_view record);

}  // namespace sluice
