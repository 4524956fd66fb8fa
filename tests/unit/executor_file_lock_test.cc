// The lock of a directory: one at a time, waited for, not without an end.
#include "worker/executor/file_lock.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <atomic>
#include <filesystem>
#include <optional>
#include <string>
#include <thread>

#include "sluice/error.h"

namespace sluice::executor {
namespace {

struct FileLock : ::testing::Test {
  FileLock() {
    std::string pattern = (std::filesystem::temp_directory_path() / "sluice-lock-XXXXXX").string();
    folder = ::mkdtemp(pattern.data());
    path = folder + "/lock";
  }
  ~FileLock() override { std::filesystem::remove_all(folder); }
  std::string whyNot() const {
    try {
      lockFile(path, Milliseconds(0));
      return "";
    } catch (const Error& error) {
      return error.what();
    }
  }
  std::string folder, path;
};

TEST_F(FileLock, IsHeldUntilItIsClosed) {
  {
    OwnedFd held = lockFile(path, Milliseconds(0));
    EXPECT_TRUE(held);
    EXPECT_EQ(whyNot(), path + " is held by another process, which does not let go of it");
  }
  // Whoever gave up above may have it for the moment that it takes to close it.
  EXPECT_TRUE(lockFile(path, Seconds(60)));
}

TEST_F(FileLock, IsWaitedFor) {
  std::optional<OwnedFd> held = lockFile(path, Milliseconds(0));
  std::atomic<bool> released = false, early = false;
  std::thread next([&] {
    OwnedFd mine = lockFile(path, Seconds(60));
    early = !released;
  });
  released = true;
  held.reset();
  next.join();
  EXPECT_FALSE(early);
  EXPECT_TRUE(lockFile(path, Seconds(60)));
}

TEST_F(FileLock, ErrorsAreOneLine) {
  path = folder + "/none/lock";
  EXPECT_EQ(whyNot(), "cannot open " + path + ": No such file or directory");
}

}  // namespace
}  // namespace sluice::executor
