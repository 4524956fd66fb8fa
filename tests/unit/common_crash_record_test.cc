#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <climits>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <stdexcept>
#include <string>
#include <thread>

#include "common/crash_record.h"

extern char** environ;

namespace sluice {
namespace {

thread_local const char* where = nullptr;

std::size_t place(char* text, std::size_t room) {
  std::size_t n = where ? std::min(std::strlen(where), room) : 0;
  if (n != 0) std::memcpy(text, where, n);
  return n;
}

volatile int zero = 0, thousand = 1000;
int* volatile nowhere = nullptr;

// What a sanitizer would catch first is left to the processor.
#define SLUICE_TEST_RAW \
  [[gnu::noinline, gnu::no_sanitize("undefined"), gnu::no_sanitize_address, gnu::no_sanitize_thread]]
SLUICE_TEST_RAW void writeNowhere() { *nowhere = 1; }
SLUICE_TEST_RAW void divide() { zero = thousand / zero; }
SLUICE_TEST_RAW int overflow(int depth) {
  volatile char room[4096];
  room[0] = char(depth);
  return depth == INT_MAX ? 0 : overflow(depth + 1) + room[0];
}

const std::map<std::string, std::function<void()>> kDeaths = {
    {"null", [] { writeNowhere(); }},
    {"overflow", [] { overflow(0); }},
    {"divide", [] { divide(); }},
    {"abort", [] { std::abort(); }},
    {"raise", [] { ::raise(SIGSEGV); }},
    {"throw", [] { throw std::runtime_error("two\nlines"); }},
    {"exit", [] { std::exit(0); }},
    {"exit3", [] { std::exit(3); }},
    {"goodbye",
     [] {
       goodbye();
       std::exit(0);
     }},
    {"quiet", [] { ::_exit(0); }},
};

// This test again, as a child that dies in a thread which stands in an operator.
[[noreturn]] void die(const std::string& how, bool inOperator) {
  rlimit none{0, 0};
  ::setrlimit(RLIMIT_CORE, &none);
  installCrashRecord(3, place);
  watchExit();
  std::thread([&] {
    CrashStack stack;
    if (inOperator) where = "map at wordcount.cc:12, batch 1000 ms, partition 3";
    kDeaths.at(how)();
  }).join();
  ::_exit(99);
}

struct Death {
  int status = 0;
  std::string record;
  std::string firstLine() const { return record.substr(0, record.find('\n')); }
};

Death dieAs(const std::string& how, bool inOperator = true) {
  int pipe[2];
  EXPECT_EQ(::pipe(pipe), 0);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, pipe[1], 3);
  posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", 1, 0);
  const char* arguments[] = {"child", "--die", how.c_str(), inOperator ? "in" : "out", nullptr};
  pid_t child = 0;
  EXPECT_EQ(::posix_spawn(&child, "/proc/self/exe", &actions, nullptr, const_cast<char**>(arguments), environ), 0);
  posix_spawn_file_actions_destroy(&actions);
  ::close(pipe[1]);
  Death death;
  char bytes[4096];
  for (ssize_t n; (n = ::read(pipe[0], bytes, sizeof bytes)) > 0;) death.record.append(bytes, std::size_t(n));
  ::close(pipe[0]);
  ::waitpid(child, &death.status, 0);
  return death;
}

struct Expected {
  const char *how, *line;
  int signal, code;
};

TEST(CrashRecord, SaysHowAndWhereAndLeavesTheSignalItsCourse) {
  const std::string in = " in map at wordcount.cc:12, batch 1000 ms, partition 3";
  const Expected all[] = {
      {"null", "segmentation fault (null pointer)", SIGSEGV, 0},
      {"overflow", "stack overflow", SIGSEGV, 0},
      {"divide", "integer division by zero", SIGFPE, 0},
      {"abort", "abort() was called", SIGABRT, 0},
      {"raise", "segmentation fault", SIGSEGV, 0},
      {"throw", "uncaught exception std::runtime_error: two lines", SIGABRT, 0},
      {"exit", "user code called exit(0)", 0, 70},
      {"exit3", "user code called exit(3)", 0, 3},
  };
  for (const auto& expected : all) {
    Death death = dieAs(expected.how);
    EXPECT_EQ(death.firstLine(), expected.line + in) << expected.how;
    EXPECT_NE(death.record.find('\n'), death.record.size() - 1) << "no backtrace: " << expected.how;
    if (expected.signal != 0) {
      EXPECT_TRUE(WIFSIGNALED(death.status) && WTERMSIG(death.status) == expected.signal)
          << expected.how << " " << death.status;
    } else {
      EXPECT_TRUE(WIFEXITED(death.status) && WEXITSTATUS(death.status) == expected.code)
          << expected.how << " " << death.status;
    }
  }
}

TEST(CrashRecord, OutsideAnyOperator) {
  EXPECT_EQ(dieAs("abort", false).firstLine(), "abort() was called outside any operator");
}

TEST(CrashRecord, AnOrderlyEndLeavesNone) {
  Death death = dieAs("goodbye");
  EXPECT_EQ(death.record, "");
  EXPECT_TRUE(WIFEXITED(death.status) && WEXITSTATUS(death.status) == 0);
  EXPECT_EQ(dieAs("quiet").record, "");
}

}  // namespace

void dieAsAsked(const char* how, bool inOperator) { die(how, inOperator); }

}  // namespace sluice

int main(int argc, char** argv) {
  if (argc == 4 && std::strcmp(argv[1], "--die") == 0) sluice::dieAsAsked(argv[2], std::strcmp(argv[3], "in") == 0);
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
