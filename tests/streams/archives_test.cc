// Archives that a Context ships.
#include <gtest/gtest.h>

#include <sluice/files.h>
#include <sluice/testing.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>

#include "archive_maker.h"
#include "everywhere.h"

namespace sluice {
namespace {

using testing::Cluster;
using testing::Shape;
using testing::errorOf;
using testing::tarOf;
using testing::temporaryDirectory;
using testing::zipOf;

std::string contentsOf(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return std::string((std::istreambuf_iterator<char>(in)), {});
}

TEST(ShippedArchives, AreUnpackedWhereTasksAskForThem) {
  for (Shape shape : {Shape::kLocal1, Shape::kLocal4, Shape::kSimulated, Shape::kInProcess, Shape::kProcesses}) {
    SCOPED_TRACE(nameOf(shape));
    Cluster cluster(shape);
    const Context& context = cluster.context();
    std::string folder = temporaryDirectory();
    std::ofstream(folder + "/data.tar", std::ios::binary) << tarOf({{"words/one", "1"}, {"words/two", "2"}});
    std::ofstream(folder + "/data.zip", std::ios::binary) << zipOf({{"three", "3"}});
    context.addArchive(folder + "/data.tar");
    context.addArchive(folder + "/data.zip#numbers");
    context.addArchive(folder + "/data.zip#numbers");  // is there already
    auto read = context.range(0, 12, 1, 6).map([](std::int64_t) {
      return contentsOf(Files::get("data.tar") + "/words/one") + contentsOf(Files::get("data.tar") + "/words/two") + contentsOf(Files::get("numbers") + "/three");
    });
    EXPECT_EQ(read.collect(), std::vector<std::string>(12, "123"));
    EXPECT_EQ(contentsOf(Files::get("numbers") + "/three"), "3") << "in the driver";
    EXPECT_EQ(Files::get("numbers"), Files::get("numbers"));
    EXPECT_EQ(context.listArchives(), (std::vector<std::string>{folder + "/data.tar", folder + "/data.zip#numbers"}));
    EXPECT_TRUE(context.listFiles().empty());
    auto places = context.range(0, 4, 1, 4).map([](std::int64_t) { return Files::get("numbers"); }).collect();
    std::set<std::string> folders(places.begin(), places.end());
    EXPECT_LE(folders.size(), 3u) << "one in each executor";
    EXPECT_FALSE(folders.contains(Files::get("numbers")));
  }
}

TEST(ShippedArchives, GoWithTheirContext) {
  std::string folder = temporaryDirectory(), unpacked, inTask;
  {
    Context context(Conf().setMaster("local[2]").setAppName("test"));
    std::ofstream(folder + "/a.zip", std::ios::binary) << zipOf({{"x", "3"}});
    context.addArchive(folder + "/a.zip");
    unpacked = Files::get("a.zip");
    inTask = context.range(0, 1, 1, 1).map([](std::int64_t) { return Files::get("a.zip"); }).first();
    EXPECT_TRUE(std::filesystem::exists(unpacked + "/x"));
    EXPECT_TRUE(std::filesystem::exists(inTask + "/x"));
  }
  EXPECT_FALSE(std::filesystem::exists(unpacked));
  EXPECT_FALSE(std::filesystem::exists(inTask));
}

TEST(ShippedArchives, HoldWhatTheyHeldWhenTheyWereAdded) {
  std::string folder = temporaryDirectory();
  Context context(Conf().setMaster("local[2]").setAppName("test"));
  std::ofstream(folder + "/a.zip", std::ios::binary) << zipOf({{"x", "before"}});
  context.addArchive(folder + "/a.zip");
  std::ofstream(folder + "/a.zip", std::ios::binary) << zipOf({{"x", "after"}});
  EXPECT_EQ(contentsOf(Files::get("a.zip") + "/x"), "before");
  EXPECT_EQ(context.range(0, 1, 1, 1).map([](std::int64_t) { return contentsOf(Files::get("a.zip") + "/x"); }).first(), "before");
}

TEST(ShippedArchives, AreNamedBySettings) {
  std::string folder = temporaryDirectory();
  std::ofstream(folder + "/a.zip", std::ios::binary) << zipOf({{"x", "ax"}});
  std::ofstream(folder + "/b.tar", std::ios::binary) << tarOf({{"x", "bx"}});
  Context context(Conf().setMaster("local[2]").setAppName("test").set("sluice.archives", folder + "/a.zip," + folder + "/b.tar#b"));
  EXPECT_EQ(context.range(0, 1, 1, 1).map([](std::int64_t) { return contentsOf(Files::get("a.zip") + "/x") + contentsOf(Files::get("b") + "/x"); }).first(), "axbx");
}

TEST(ShippedArchives, ThatCannotBeShipped) {
  Context context(Conf().setMaster("local[2]").setAppName("test").set("sluice.archives.maxUnpackedSize", "1k"));
  std::string folder = temporaryDirectory();
  auto write = [&](const std::string& name, const std::string& bytes) {
    std::ofstream(folder + "/" + name, std::ios::binary) << bytes;
    return folder + "/" + name;
  };
  EXPECT_SAYS("addArchive: there is no file '" + folder + "/none.zip'", context.addArchive(folder + "/none.zip"));
  EXPECT_SAYS("is not a file; pack the directory", context.addArchive(folder));
  EXPECT_SAYS("addArchive: plain.txt does not end as an archive does (.zip, .jar, ", context.addArchive(write("plain.txt", "x")));
  EXPECT_SAYS("addArchive: no.zip: it is no archive that can be read, or is damaged", context.addArchive(write("no.zip", "x")));
  EXPECT_SAYS("addArchive: out.tar: the entry '../x' would lie outside of the archive's folder", context.addArchive(write("out.tar", tarOf({{"../x", ""}}))));
  EXPECT_SAYS("addArchive: big.tar: unpacked it has more than 1024 bytes", context.addArchive(write("big.tar", tarOf({{"x", std::string(1025, 'x')}}))));
  const char* leads = "leads out of the archive's folder, or nowhere; nothing of it is used";
  EXPECT_SAYS(leads, context.addArchive(write("up.tar", tarOf({{"up", "", '2', "../.."}}))));
  EXPECT_SAYS(leads, context.addArchive(write("dangling.tar", tarOf({{"dangling", "", '2', "none"}}))));
  EXPECT_SAYS("addArchive: hard.tar: cannot write hard: No such file", context.addArchive(write("hard.tar", tarOf({{"hard", "", '1', "none"}}))));
  EXPECT_SAYS("addArchive: both.tar: cannot write x: Not a directory", context.addArchive(write("both.tar", tarOf({{"x", "1"}, {"x/y", "1"}}))));
  EXPECT_SAYS("stands no name of a folder", context.addArchive(write("a.tar", tarOf({{"x", "x"}})) + "#../x"));
  EXPECT_SAYS("stands no name of a folder", context.addArchive(folder + "/a.tar#"));
  context.addArchive(folder + "/a.tar#same");
  EXPECT_SAYS("addArchive: a file named same has been added already: " + folder + "/a.tar", context.addArchive(write("b.tar", tarOf({{"y", "y"}})) + "#same"));
  EXPECT_TRUE(context.listFiles().empty());
}

}  // namespace
}  // namespace sluice
