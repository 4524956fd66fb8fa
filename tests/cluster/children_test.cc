// The worker's processes: what they print, how they end, what they leave.
#include "worker/children.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <future>
#include <string>

namespace sluice::worker {
namespace {

namespace fs = std::filesystem;

class ChildrenTest : public testing::Test {
 protected:
  struct End {
    int status;
    std::string record;
  };
  ChildrenTest() : root_(fs::temp_directory_path() / ("children_test." + std::to_string(::getpid()))) { fs::create_directories(root_); }
  ~ChildrenTest() override { fs::remove_all(root_); }
  std::string log(const char* name) const { return root_ / name; }
  static std::string content(const std::string& path) {
    std::ifstream in(path);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  std::future<End> shell(std::uint64_t id, const std::string& script, const std::string& letter = "") {
    ProcessSpec spec;
    spec.arguments = {"/bin/sh", "-c", script};
    spec.crashRecord = true;
    auto promise = std::make_shared<std::promise<End>>();
    auto status = children_.start(id, spec, log("child"), letter, [promise](int status, const std::string& record) { promise->set_value({status, record}); });
    EXPECT_TRUE(status.ok());
    return promise->get_future();
  }

  fs::path root_;
  Children children_;
};

TEST_F(ChildrenTest, KeepsWhatAChildPrintsAndHowItEnded) {
  auto end = shell(1, "echo out; echo err >&2; echo record >&3; exit 7").get();
  EXPECT_EQ(exitCode(end.status), 7);
  EXPECT_EQ(describeExit(end.status), "exited with 7");
  EXPECT_EQ(end.record, "record\n");
  EXPECT_EQ(content(log("child.out")), "out\n");
  EXPECT_EQ(content(log("child.err")), "err\n");
}

TEST_F(ChildrenTest, HandsTheLetterOverAndLetsGo) {
  auto ended = shell(1, "read line <&4; echo $line; cat <&4; echo gone", "letter\n");
  children_.letGo(1);
  EXPECT_EQ(exitCode(ended.get().status), 0);
  EXPECT_EQ(content(log("child.out")), "letter\ngone\n");
}

TEST_F(ChildrenTest, SaysWhichSignalKilled) {
  auto ended = shell(1, "kill -SEGV $$");
  EXPECT_EQ(describeExit(ended.get().status), "killed by signal 11 (Segmentation fault)");
}

TEST_F(ChildrenTest, EndsAllEvenThoseThatWillNot) {
  auto stubborn = shell(1, "trap '' TERM HUP; while :; do read x <&3 || sleep 1000; done");
  EXPECT_GT(children_.residentBytes(1), 0u);
  children_.endAll(10);
  EXPECT_EQ(exitCode(stubborn.get().status), 128 + SIGKILL);
  EXPECT_EQ(children_.residentBytes(1), 0u);
}

TEST_F(ChildrenTest, LeavesNoGrandchildren) {
  std::string held = log("held");
  ASSERT_EQ(::mkfifo(held.c_str(), 0600), 0);
  auto ended = shell(1, "exec 9>" + held + "; sleep 1000 & exit 0");
  EXPECT_EQ(content(held), "");  // reads until nobody holds it open any more
  EXPECT_EQ(exitCode(ended.get().status), 0);
}

TEST_F(ChildrenTest, SaysThatAProgramIsNotThere) {
  ProcessSpec spec;
  spec.arguments = {"/no/such/program"};
  auto status = children_.start(1, spec, log("child"), "", [](int, const std::string&) {});
  EXPECT_EQ(std::string(status.message().data(), status.message().size()), "cannot start /no/such/program: No such file or directory");
}

TEST_F(ChildrenTest, RotatesLogsAtLines) {
  RotatingFile file(log("rotating"), 10, 2);
  file.write("one\ntwo\n");
  file.write("three\n");
  EXPECT_EQ(content(log("rotating")), "three\n");
  EXPECT_EQ(content(log("rotating.1")), "one\ntwo\n");
  file.write("a line that is longer than a file\n");
  for (int i = 0; i < 5; ++i) file.write("filler 6\n");
  EXPECT_EQ(content(log("rotating")), "filler 6\n");
  EXPECT_EQ(content(log("rotating.2")), "filler 6\n");
  EXPECT_FALSE(fs::exists(log("rotating.3")));
}

}  // namespace
}  // namespace sluice::worker
