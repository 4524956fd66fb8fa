// The tree keeps to its include matrix and its libraries to their links; planted violations are caught.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "tests/layering/include_matrix.h"
#include "tests/layering/linked_libraries.h"

namespace sluice::layering {
namespace {
namespace fs = std::filesystem;

std::string lines(const std::vector<std::string>& all) {
  std::string text;
  for (const std::string& one : all) text += one + "\n";
  return text;
}

TEST(Layering, TheTreeKeepsToTheMatrix) {
  auto found = violations(SLUICE_SOURCE_DIR, matrix());
  EXPECT_TRUE(found.empty()) << lines(found);
}

TEST(Layering, LibrariesAreLinkedToWhatTheyMay) {
  auto found = linkViolations(SLUICE_BUILD_DIR, linkedLibraries());
  EXPECT_TRUE(found.empty()) << lines(found);
}

// protobuf refuses a message whole for one `string` that is not UTF-8, and what users and file systems give need not be.
TEST(Layering, TextInMessagesIsBytes) {
  int files = 0;
  for (const auto& entry : fs::directory_iterator(SLUICE_SOURCE_DIR "/proto")) {
    if (entry.path().extension() != ".proto") continue;
    ++files;
    std::ifstream in(entry.path());
    int number = 1;
    for (std::string line; std::getline(in, line); ++number) {
      std::string code = line.substr(0, line.find("//"));
      EXPECT_EQ(code.find("string "), std::string::npos) << entry.path().filename() << ":" << number << ": " << line;
    }
  }
  EXPECT_GE(files, 3);
}

// A small tree in a temporary folder.
class Planted : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "layering-XXXXXX").string();
    ASSERT_TRUE(mkdtemp(name.data()));
    root_ = name;
    write("common/include/sluice/time.h", "#include <cstdint>\n");
    write("client/include/sluice/rdd.h", "#include <vector>\n#include \"sluice/time.h\"\n");
    write("common/link.h", "#include \"sluice/time.h\"\n");
    write("common/grpc/stream.h", "#include <grpcpp/grpcpp.h>\n");
    write("master/machine.h", "#include \"common/link.h\"\n");
    write("worker/machine.h", "#include \"common/link.h\"\n");
    write("worker/executor/machine.h", "#include \"common/link.h\"\n");
    write("client/local/cluster.cc", "#include \"master/machine.h\"\n#include \"worker/executor/machine.h\"\n");
    ASSERT_EQ(lines(violations(root_, matrix())), "") << "the small tree is sound before anything is planted";
  }
  void TearDown() override { fs::remove_all(root_); }
  void write(const std::string& file, const std::string& text) {
    fs::create_directories((root_ / file).parent_path());
    std::ofstream(root_ / file) << text;
  }
  // The violations once `file` holds `text`.
  std::string planted(const std::string& file, const std::string& text) {
    write(file, text);
    return lines(violations(root_, matrix()));
  }
  fs::path root_;
};

TEST_F(Planted, MasterSeesTheClient) {
  EXPECT_NE(planted("master/pages.cc", "#include \"client/local/cluster.cc\"\n").find("master/pages.cc:1"), std::string::npos);
}
TEST_F(Planted, MasterSeesAPublicHeaderThatIsNoSeam) {
  EXPECT_NE(planted("master/pages.cc", "#include \"sluice/rdd.h\"\n").find("master/pages.cc:1 includes sluice/rdd.h"), std::string::npos);
}
TEST_F(Planted, ClientSeesAMachineOutsideLocalMode) {
  EXPECT_NE(planted("client/driver.cc", "\n#include \"master/machine.h\"\n").find("client/driver.cc:2"), std::string::npos);
}
TEST_F(Planted, TheDaemonSeesTheExecutor) {
  EXPECT_NE(planted("worker/children.cc", "#include \"worker/executor/machine.h\"\n").find("worker/children.cc:1"), std::string::npos);
}
TEST_F(Planted, LocalModeSeesAShell) {
  write("master/shell.h", "");
  EXPECT_NE(planted("client/local/pool.cc", "#include \"master/shell.h\"\n").find("client/local/pool.cc:1"), std::string::npos);
}
TEST_F(Planted, TheSeamSeesCommon) {
  EXPECT_NE(planted("common/include/sluice/abi.h", "#include \"common/link.h\"\n").find("common/include/sluice/abi.h:1"), std::string::npos);
}
TEST_F(Planted, APublicHeaderHasALibrary) {
  EXPECT_NE(planted("client/include/sluice/conf.h", "#include \"absl/status/status.h\"\n").find("only the standard library"), std::string::npos);
  EXPECT_NE(planted("client/include/sluice/conf.h", "#include <unistd.h>\n").find("only the standard library"), std::string::npos);
}
TEST_F(Planted, GrpcComesThroughAHeader) {
  EXPECT_NE(planted("master/shell.cc", "#include \"common/grpc/stream.h\"\n").find("grpcpp/grpcpp.h > common/grpc/stream.h"), std::string::npos);
}
TEST_F(Planted, RocksDbOutsideItsFolder) {
  EXPECT_NE(planted("common/journal.h", "#include <rocksdb/db.h>\n").find("RocksDB"), std::string::npos);
}
TEST_F(Planted, GlogInALibrary) {
  EXPECT_NE(planted("common/log.cc", "  # include <glog/logging.h>\n").find("glog"), std::string::npos);
  EXPECT_EQ(planted("common/log.cc", "// #include <glog/logging.h>\n"), "");
}
TEST_F(Planted, AMachineWithAClock) {
  EXPECT_NE(planted("master/machine.cc", "#include <chrono>\n").find("is pure"), std::string::npos);
}
TEST_F(Planted, AFolderWithoutARoom) {
  EXPECT_NE(planted("deploy/tool.cc", "").find("no room"), std::string::npos);
}

TEST(Links, AForbiddenLibraryIsFound) {
  // Every program is linked to libc, so forbidding that must be noticed.
  auto self = fs::read_symlink("/proc/self/exe");
  auto found = linkViolations(self.parent_path(), {{self.filename(), {"libc.so"}}, {"no-such-program", {}}});
  ASSERT_EQ(found.size(), 2u) << lines(found);
  EXPECT_NE(found[0].find("is linked to libc.so"), std::string::npos);
  EXPECT_EQ(found[1], "no-such-program is not built");
}

}  // namespace
}  // namespace sluice::layering
