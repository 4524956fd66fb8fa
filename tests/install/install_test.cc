// cmake --install, and a project outside the tree that finds Sluice there, with CMake and by hand.
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "tests/cluster/program.h"

namespace {

using namespace sluice::testing;  // NOLINT: programs and folders
namespace fs = std::filesystem;

std::string joined(const std::vector<std::string>& lines) {
  std::string all;
  for (const auto& line : lines) all += line + "\n";
  return all;
}

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

// Builds take as long as they take; ctest has the limit. What it said, if it failed.
std::string failureOf(const std::string& command) {
  FILE* pipe = ::popen((command + " 2>&1").c_str(), "r");
  std::string said;
  char bytes[4096];
  for (std::size_t n; pipe && (n = std::fread(bytes, 1, sizeof bytes, pipe)) > 0;) said.append(bytes, n);
  return pipe && ::pclose(pipe) == 0 ? "" : "failed: " + command + "\n" + said;
}

int freePort() {
  int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  ::bind(fd, reinterpret_cast<sockaddr*>(&address), size);
  ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
  ::close(fd);
  return ntohs(address.sin_port);
}

class Install : public ::testing::Test {
 protected:
  // Installed into one place and moved to another: nothing in a prefix may know where it was.
  static void SetUpTestSuite() {
    folder_ = std::make_unique<TestFolder>();
    ASSERT_EQ(failureOf(CMAKE_COMMAND " --install " SLUICE_BUILD_DIR " --prefix " + folder_->path("first")), "");
    fs::rename(folder_->path("first"), prefix());
    for (const auto& file : fs::directory_iterator(SLUICE_SOURCE_DIR "/tests/install/project")) {
      folder_->write("project/" + file.path().filename().string(), "");
      fs::copy_file(file, folder_->path("project/" + file.path().filename().string()), fs::copy_options::overwrite_existing);
    }
    ASSERT_EQ(failureOf(CMAKE_COMMAND " -G Ninja -S " + folder_->path("project") + " -B " + build() +
                        " -DCMAKE_CXX_COMPILER=" CXX_COMPILER " -DCMAKE_BUILD_TYPE=Debug -DCMAKE_PREFIX_PATH=" + prefix()), "");
    ASSERT_EQ(failureOf(CMAKE_COMMAND " --build " + build()), "");
  }
  static void TearDownTestSuite() { folder_.reset(); }

  static std::string prefix() { return folder_->path("prefix"); }
  static std::string bin(const std::string& program) { return prefix() + "/bin/" + program; }
  static std::string build() { return folder_->path("build"); }
  static std::string input() {
    folder_->write("input/readings", "roof 31.5\ncellar 12\nroof 33\n");
    return folder_->path("input");
  }

  static std::unique_ptr<TestFolder> folder_;
};
std::unique_ptr<TestFolder> Install::folder_;

TEST_F(Install, HoldsWhatItSays) {
  for (const char* file :
       {"bin/sluice-master", "bin/sluice-worker", "bin/sluice-executor", "bin/sluice-submit", "bin/sluice-ctl", "sbin/sluice-cluster",
        "conf/sluice-defaults.conf.template", "lib/libsluice.so", "lib/libsluice.so.0", "lib/libsluice_cluster.so", "lib/libsluice_rocksdb.so",
        "lib/libsluice_examples.so", "lib/libsluice_testing.a", "lib/cmake/Sluice/SluiceConfig.cmake", "include/sluice/streaming.h",
        "include/sluice/codec.h", "include/sluice/testing.h", "share/sluice/examples/word_count.cc"}) {
    EXPECT_TRUE(fs::exists(prefix() + "/" + file)) << file;
  }
  // Public headers and nothing else.
  for (const auto& entry : fs::recursive_directory_iterator(prefix() + "/include")) {
    EXPECT_TRUE(entry.is_directory() || entry.path().extension() == ".h") << entry.path();
  }
}

TEST_F(Install, ApplicationRunsOnLocal) {
  Program submit({bin("sluice-submit"), "--master", "local[2]", "--class", "Telemetry", build() + "/libtelemetry.so", input()});
  submit.waitForLine("roof 33.0");
  submit.signal(SIGTERM);
  EXPECT_EQ(submit.wait(), 0) << submit.describe();
}

// The programs find each other, and the libraries that they load.
TEST_F(Install, ApplicationRunsOnProcesses) {
  Program submit({bin("sluice-submit"), "--master", "local-cluster[1,2,256]", build() + "/libtelemetry.so", input()});
  submit.waitForLine("roof 33.0");
  submit.signal(SIGTERM);
  EXPECT_EQ(submit.wait(), 0) << submit.describe();
}

TEST_F(Install, ExamplesRun) {
  auto run = finish({bin("sluice-submit"), "--master", "local[2]", "--class", "Pi", prefix() + "/lib/libsluice_examples.so", "2"});
  EXPECT_EQ(run.code, 0) << joined(run.errors);
  EXPECT_TRUE(contains(joined(run.lines), "Pi is roughly 3.")) << joined(run.lines);
}

TEST_F(Install, TestKitWithGoogleTest) {
  auto run = finish({build() + "/hottest_test"});
  EXPECT_EQ(run.code, 0) << joined(run.lines) << joined(run.errors);
  EXPECT_TRUE(contains(joined(run.lines), "PASSED  ] 1 test")) << joined(run.lines);
}

TEST_F(Install, TestKitWithoutAFramework) {
  auto run = finish({build() + "/plain_test"});
  EXPECT_EQ(run.code, 0) << joined(run.lines) << joined(run.errors);
  EXPECT_TRUE(contains(joined(run.lines), "Reading(roof,31.5)")) << joined(run.lines);
}

TEST_F(Install, ApplicationIsBuiltByHand) {
  ASSERT_EQ(failureOf(CXX_COMPILER " -std=c++20 -fPIC -shared -I" + prefix() + "/include -o " + folder_->path("libbyhand.so") + " " + prefix() +
                      "/share/sluice/examples/word_count.cc -L" + prefix() + "/lib -lsluice"), "");
  auto run = finish({bin("sluice-submit"), "--master", "local[2]", folder_->path("libbyhand.so"), input() + "/readings"});
  EXPECT_EQ(run.code, 0) << joined(run.errors);
  EXPECT_TRUE(contains(joined(run.lines), "roof")) << joined(run.lines);
}

// A master and a worker by the script of the prefix.
TEST_F(Install, ClusterScript) {
  std::string script = prefix() + "/sbin/sluice-cluster", port = std::to_string(freePort());
  std::vector<std::pair<std::string, std::string>> environment = {{"SLUICE_RUN_DIR", folder_->path("run")}, {"SLUICE_CONF_DIR", folder_->path("conf")}};
  auto started = finish({script, "start", "--workers", "1", "--cores", "1", "--port", port}, environment);
  EXPECT_EQ(started.code, 0) << joined(started.errors);
  auto status = finish({script, "status"}, environment);
  auto listed = finish({bin("sluice-ctl"), "--master", "sluice://127.0.0.1:" + port, "list"});
  auto stopped = finish({script, "stop"}, environment);
  EXPECT_TRUE(contains(joined(status.lines), "master: running") && contains(joined(status.lines), "worker-1: running")) << joined(status.lines);
  EXPECT_EQ(listed.code, 0) << joined(listed.errors);
  EXPECT_EQ(stopped.code, 0) << joined(stopped.errors);
}

}  // namespace
