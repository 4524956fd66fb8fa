// Manifests of checkpoints that are none of ours.
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
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

}  // namespace
}  // namespace sluice::master
