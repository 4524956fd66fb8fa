#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "common/fail_point.h"

namespace sluice {
namespace {

std::string pattern(const char* name, int reached) {
  std::string seen;
  for (int i = 0; i < reached; ++i) seen += SLUICE_FAIL_POINT(name) ? 'F' : '.';
  return seen;
}

TEST(FailPoint, FailsWhenAndAsOftenAsArmed) {
  EXPECT_EQ(pattern("test.a", 3), "...");
  {
    FailPoint once("test.a");
    EXPECT_EQ(pattern("test.b", 3), "...");
    EXPECT_EQ(pattern("test.a", 3), "F..");
    EXPECT_EQ(once.hits(), 3);
  }
  {
    FailPoint later("test.a", {.skip = 2, .times = 0});
    EXPECT_EQ(pattern("test.a", 5), "..FFF");
  }
  EXPECT_EQ(pattern("test.a", 3), "...");
  EXPECT_EQ(armedFailPoints.load(), 0);
}

TEST(FailPoint, CallsBack) {
  int calls = 0;
  FailPoint call("test.a", {.kind = FailPointAction::Kind::kCall, .times = 0, .call = [&] { return ++calls == 2; }});
  EXPECT_EQ(pattern("test.a", 3), ".F.");
}

TEST(FailPoint, AreReadFromText) {
  ASSERT_TRUE(armFailPoints("test.a=1:fail*2;test.b=fail*;test.c=delay(1)").ok());
  EXPECT_EQ(pattern("test.a", 5), ".FF..");
  EXPECT_EQ(pattern("test.b", 3), "FFF");
  EXPECT_EQ(pattern("test.c", 2), "..");
  for (const char* name : {"test.a", "test.b", "test.c"}) disarmFailPoint(name);
  for (const char* bad :
       {"test.a", "=fail", "test.a=explode", "test.a=x:fail", "test.a=fail*y", "test.a=delay(soon)"}) {
    EXPECT_FALSE(armFailPoints(bad).ok()) << bad;
  }
  EXPECT_EQ(armedFailPoints.load(), 0);
}

TEST(FailPoint, Kills) {
  pid_t child = ::fork();
  if (child == 0) {
    (void)armFailPoints("test.a=kill");
    (void)pattern("test.a", 1);
    _exit(0);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

}  // namespace
}  // namespace sluice
