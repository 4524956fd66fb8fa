// Files that are cut while they are mapped.
#include <gtest/gtest.h>

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include <fstream>
#include <string>

#include "sluice/error.h"
#include "worker/executor/mapped_file.h"

namespace sluice::executor {
namespace {

constexpr int kPages = 8, kPage = 4096;

struct Mapped {
  Mapped() {
    int fd = ::mkstemp(path.data());
    EXPECT_GE(fd, 0);
    ::close(fd);
    std::ofstream(path) << std::string(kPages * kPage, 'x');
  }
  ~Mapped() { ::unlink(path.c_str()); }
  std::string path = ::testing::TempDir() + "sluice-mapped-XXXXXX";
};

TEST(MapGuard, WhatIsGoneReadsAsZerosAndIsNamedOnce) {
  Mapped one;
  MappedFile file(one.path);
  EXPECT_EQ(*file.at(0), 'x');
  ASSERT_EQ(::truncate(one.path.c_str(), kPage + 10), 0);
  EXPECT_EQ(*file.at(kPage + 9), 'x');
  EXPECT_EQ(takeCutFile(), "") << "what is there was read";
  file.bringIn(file.at(0));
  EXPECT_EQ(*file.at(3 * kPage), '\0');
  EXPECT_EQ(*file.at(2 * kPage), '\0') << "before the first that was missed";
  EXPECT_EQ(*file.at(kPages * kPage - 1), '\0');
  EXPECT_EQ(takeCutFile(), one.path);
  EXPECT_EQ(takeCutFile(), "");
}

TEST(MapGuard, OtherFilesAreAsTheyWere) {
  Mapped cut, whole;
  MappedFile first(cut.path), second(whole.path);
  ASSERT_EQ(::truncate(cut.path.c_str(), 0), 0);
  EXPECT_EQ(*first.at(0), '\0');
  EXPECT_EQ(*second.at(0), 'x');
  EXPECT_EQ(*second.at(kPages * kPage - 1), 'x');
  EXPECT_EQ(takeCutFile(), cut.path);
}

TEST(MapGuard, AFileIsCheckedAgainstWhatItWas) {
  Mapped one;
  MappedFile file(one.path);
  file.check();
  std::ofstream(one.path, std::ios::app) << "more";
  file.check();
  ASSERT_EQ(::truncate(one.path.c_str(), kPages * kPage - 1), 0);
  EXPECT_THROW(file.check(), Error);
  // Rotated: what is mapped is the old one.
  ASSERT_EQ(::unlink(one.path.c_str()), 0);
  file.check();
  std::ofstream(one.path) << "new";
  file.check();
}

TEST(MapGuard, ThereIsRoomAgainWhenMappingsEnd) {
  Mapped one;
  for (int i = 0; i < 10'000; ++i) MappedFile(one.path);
  MappedFile file(one.path);
  ASSERT_EQ(::truncate(one.path.c_str(), 0), 0);
  EXPECT_EQ(*file.at(0), '\0');
  EXPECT_EQ(takeCutFile(), one.path);
}

// Not of a file: the process ends as it would have.
TEST(MapGuardDeathTest, AnotherBusErrorTakesItsCourse) {
  Mapped one;
  EXPECT_DEATH(
      {
        MappedFile file(one.path);
        ::raise(SIGBUS);
      },
      "");  // by the signal, or by a sanitizer that takes it for an error
}

}  // namespace
}  // namespace sluice::executor
