#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "common/private_folder.h"

namespace sluice {
namespace {

int modeOf(const std::string& path) {
  struct stat info {};
  ::stat(path.c_str(), &info);
  return int(info.st_mode & 0777);
}

TEST(PrivateFolder, IsMadeOrClosedForEverybodyElse) {
  std::string path = privateFolderIn(testing::TempDir()) + "-" + std::to_string(::getpid());
  ASSERT_TRUE(makePrivateFolder(path).ok());
  EXPECT_EQ(modeOf(path), 0700);
  ::chmod(path.c_str(), 0755);  // as whoever made it first may have left it
  ASSERT_TRUE(makePrivateFolder(path).ok());
  EXPECT_EQ(modeOf(path), 0700);
  std::filesystem::remove(path);
}

TEST(PrivateFolder, WhatIsNoFolderOfOursIsRefused) {
  std::string path = testing::TempDir() + "/private-" + std::to_string(::getpid());
  std::filesystem::create_symlink("/", path);
  EXPECT_EQ(makePrivateFolder(path).message(), path + " is not a folder of this user; remove it");
  std::filesystem::remove(path);
  EXPECT_EQ(makePrivateFolder("/proc/nowhere/sluice").message().substr(0, 33), "cannot make /proc/nowhere/sluice:");
}

}  // namespace
}  // namespace sluice
