// Manifests of checkpoints that are none of ours.
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "master/manifest_files.h"

namespace sluice::master {
namespace {

namespace fs = std::filesystem;

class ManifestFiles : public ::testing::Test {
 protected:
  void SetUp() override {
    directory_ = fs::path(testing::TempDir()) / ("manifests-" + std::to_string(::getpid()));
    fs::create_directories(directory_);
  }
  void TearDown() override { fs::remove_all(directory_); }
  fs::path directory_;
};

// Its files are read by executors, and removed with it.
TEST_F(ManifestFiles, OneThatNamesAFileElsewhereIsRefused) {
  for (const char* name : {"../../etc/passwd", "/etc/passwd", ""}) {
    proto::Manifest manifest;
    manifest.set_when_ms(1000);
    manifest.add_files()->set_name(name);
    ASSERT_TRUE(writeManifest(directory_.string(), manifest, 2).ok());
    ManifestRead read;
    auto status = readManifest(directory_.string(), read);
    EXPECT_NE(std::string(status.message()).find("names a file outside of its directory"), std::string::npos) << status.message();
  }
}

TEST_F(ManifestFiles, ATornOneIsPassedOverForTheOneBefore) {
  std::string folder = directory_.string();
  ManifestRead nothing;
  EXPECT_TRUE(readManifest(folder, nothing).ok());
  EXPECT_FALSE(nothing.manifest) << "an empty directory has no checkpoint";
  for (int seconds : {1, 2}) {
    proto::Manifest manifest;
    manifest.set_when_ms(seconds * 1000);
    ASSERT_TRUE(writeManifest(folder, manifest, 2).ok());
  }
  std::ofstream(folder + "/manifest-2000") << "torn";
  std::ofstream(folder + "/manifest-9999.tmp") << "never renamed";
  fs::create_directory(directory_ / "manifests-of-others");
  ManifestRead read;
  ASSERT_TRUE(readManifest(folder, read).ok());
  EXPECT_EQ(read.manifest->when_ms(), 1000);
  EXPECT_EQ(read.warning, "checkpoint 2000 in " + folder + " is torn");
  std::ofstream(folder + "/manifest-1000", std::ios::app) << "x";
  ManifestRead none;
  auto status = readManifest(folder, none);
  EXPECT_EQ(std::string(status.message()).find("no whole checkpoint in " + folder + ": checkpoint 2000 in " + folder + " is torn; checkpoint 1000 in " + folder), 0u) << status.message();
  EXPECT_NE(std::string(status.message()).find("; restore the files, or start with another checkpoint directory"), std::string::npos);
}

}  // namespace
}  // namespace sluice::master
