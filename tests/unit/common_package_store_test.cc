// Package files by content: copied in, sent in pieces, checked, given their names again.
#include "common/package_store.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace sluice {
namespace {

namespace fs = std::filesystem;

class PackageStoreTest : public testing::Test {
 protected:
  PackageStoreTest() : root_(fs::temp_directory_path() / ("package_store_test." + std::to_string(::getpid()))) { fs::create_directories(root_); }
  ~PackageStoreTest() override { fs::remove_all(root_); }
  std::string file(const std::string& name, const std::string& content) {
    std::ofstream(root_ / name) << content;
    return root_ / name;
  }
  std::string directory(const std::string& name) { return root_ / name; }
  static std::string content(const std::string& path) {
    std::ifstream in(path);
    return {std::istreambuf_iterator<char>(in), {}};
  }

  fs::path root_;
};

TEST_F(PackageStoreTest, KeepsWhatWasSubmitted) {
  PackageStore store(directory("store"));
  proto::Package package;
  std::string module = file("libapp.so", "first build"), data = file("model.bin", "weights");
  ASSERT_TRUE(store.add({module, data}, package).ok());
  ASSERT_EQ(package.images_size(), 2);
  EXPECT_EQ(package.images(0).name(), "libapp.so");
  file("libapp.so", "second build");
  std::string path;
  ASSERT_TRUE(store.assemble(package, path).ok());
  EXPECT_EQ(content(path), "first build");
  EXPECT_EQ(content(store.imagePath(package, 1)), "weights");
  proto::Package rebuilt;
  ASSERT_TRUE(store.add({module, data}, rebuilt).ok());
  EXPECT_NE(rebuilt.hash(), package.hash());
  EXPECT_NE(rebuilt.images(0).hash(), package.images(0).hash());
}

TEST_F(PackageStoreTest, ReceivesPiecesInOrderAndOnce) {
  PackageStore from(directory("from")), to(directory("to"));
  proto::Package package;
  ASSERT_TRUE(from.add({file("libapp.so", "0123456789")}, package).ok());
  const auto& image = package.images(0);
  auto send = [&](std::uint64_t at, std::uint64_t n) {
    Bytes bytes;
    std::uint64_t size = 0;
    EXPECT_TRUE(from.read(image.hash(), at, n, bytes, size).ok());
    EXPECT_EQ(size, 10u);
    return to.write(image.hash(), image.size(), at, bytes.view());
  };
  ASSERT_TRUE(send(0, 4).ok());
  ASSERT_TRUE(send(6, 4).ok());  // a hole: ignored
  EXPECT_EQ(to.upTo(image.hash(), image.size()), 4u);
  ASSERT_TRUE(send(0, 4).ok());  // repeated: ignored
  ASSERT_TRUE(send(4, 4).ok());
  EXPECT_FALSE(to.has(image.hash(), image.size()));
  ASSERT_TRUE(send(8, 100).ok());
  EXPECT_TRUE(to.has(image.hash(), image.size()));
  EXPECT_EQ(to.upTo(image.hash(), image.size()), 10u);
  std::string path;
  ASSERT_TRUE(to.assemble(package, path).ok());
  EXPECT_EQ(content(path), "0123456789");
}

TEST_F(PackageStoreTest, RefusesDamageAndBeginsAgain) {
  PackageStore from(directory("from")), to(directory("to"));
  proto::Package package;
  ASSERT_TRUE(from.add({file("libapp.so", "0123456789")}, package).ok());
  const auto& image = package.images(0);
  auto status = to.write(image.hash(), image.size(), 0, "01234x6789");
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_FALSE(to.has(image.hash(), image.size()));
  EXPECT_EQ(to.upTo(image.hash(), image.size()), 0u);
  EXPECT_TRUE(to.write(image.hash(), image.size(), 0, "0123456789").ok());
  EXPECT_TRUE(to.has(image.hash(), image.size()));
}

TEST_F(PackageStoreTest, RefusesNamesThatLeaveThePackage) {
  PackageStore store(directory("store"));
  proto::Package package;
  ASSERT_TRUE(store.add({file("libapp.so", "x")}, package).ok());
  package.mutable_images(0)->set_name("../evil");
  std::string path;
  EXPECT_FALSE(store.assemble(package, path).ok());
  EXPECT_FALSE(fs::exists(root_ / "store/packages/evil"));
}

TEST_F(PackageStoreTest, SaysWhatIsMissingOrDoubled) {
  PackageStore store(directory("store"));
  proto::Package package;
  auto status = store.add({root_ / "libnone.so"}, package);
  EXPECT_EQ(std::string(status.message().data(), status.message().size()), "cannot read " + (root_ / "libnone.so").string() + ": No such file or directory");
  fs::create_directories(root_ / "other");
  status = store.add({file("a.so", "x"), file("other/a.so", "y")}, package);
  EXPECT_EQ(std::string(status.message().data(), status.message().size()), "two files of the package are called a.so; names must differ");
}

}  // namespace
}  // namespace sluice
