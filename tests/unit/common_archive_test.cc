// Archives of strangers: what is in them comes out, and nothing of it lands elsewhere.
#include "common/archive.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "common/compression.h"
#include "tests/streams/archive_maker.h"

namespace sluice {
namespace {

namespace fs = std::filesystem;
using testing::ArchiveEntry;
using testing::tarOf;
using testing::zipOf;

constexpr std::uint64_t kMost = 1 << 20;

struct Archives : ::testing::Test {
  Archives() {
    std::string name = (fs::temp_directory_path() / "sluice-archive-test-XXXXXX").string();
    folder = ::mkdtemp(name.data());
    fs::create_directories(folder + "/around");
    to = folder + "/around/unpacked";
  }
  ~Archives() override { fs::remove_all(folder); }
  static std::string contents(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    return std::string((std::istreambuf_iterator<char>(in)), {});
  }
  // What unpacking says; "" if all went well. If not, nothing has been left anywhere.
  std::string said(const std::string& bytes, std::uint64_t most = kMost) {
    std::string status(unpackArchive(bytes, "a.tar", to, most).message());
    if (!status.empty()) {
      EXPECT_TRUE(fs::is_empty(folder + "/around")) << status;
      EXPECT_EQ(std::distance(fs::directory_iterator(folder), fs::directory_iterator()), 1) << status;
      EXPECT_EQ(status.rfind("a.tar: ", 0), 0u) << status;
      EXPECT_EQ(status.find('\n'), std::string::npos) << status;
    }
    return status;
  }
  std::string folder, to;
};

const std::vector<ArchiveEntry> kPlain = {{"words.txt", "one\ntwo\n"}, {"./deep/er/numbers", "1 2 3"}, {"deep/empty", ""}};

TEST_F(Archives, OfEachKindAreUnpacked) {
  std::string tar = tarOf(kPlain);
  auto packed = [&](Compression how) {
    auto compressor = Compressor::make(how);
    Buffer out;
    compressor->add(tar, out), compressor->finish(out);
    return std::string(out.view());
  };
  for (const std::string& bytes : {tar, zipOf(kPlain), packed(Compression::kGzip), packed(Compression::kZstd)}) {
    ASSERT_EQ(said(bytes), "");
    EXPECT_EQ(contents(to + "/words.txt"), "one\ntwo\n");
    EXPECT_EQ(contents(to + "/deep/er/numbers"), "1 2 3");
    EXPECT_TRUE(fs::exists(to + "/deep/empty"));
    EXPECT_EQ(std::distance(fs::directory_iterator(folder + "/around"), fs::directory_iterator()), 1) << "nothing aside is left";
    fs::remove_all(to);
  }
}

TEST_F(Archives, KeepLinksThatStayInside) {
  ASSERT_EQ(said(tarOf({{"bin/tool", "x"}, {"current", "", '2', "bin"}, {"bin/up", "", '2', "../words"}, {"words", "w"}, {"same", "", '1', "words"}})), "");
  EXPECT_EQ(contents(to + "/current/tool"), "x");
  EXPECT_EQ(contents(to + "/bin/up"), "w");
  EXPECT_EQ(contents(to + "/same"), "w");
}

TEST_F(Archives, ThatWouldWriteElsewhereAreRefusedWhole) {
  const ArchiveEntry fine{"fine", "f"};
  auto refuses = [&](const std::vector<ArchiveEntry>& entries, const char* why) {
    EXPECT_NE(said(tarOf(entries)).find(why), std::string::npos) << entries.back().name << " " << entries.back().link << ": " << said(tarOf(entries));
  };
  const char* outside = "would lie outside of the archive's folder; nothing of it is used";
  refuses({fine, {"../x", "1"}}, outside);
  refuses({fine, {"a/../../x", "1"}}, outside);
  refuses({fine, {"..", "", '5'}}, outside);
  refuses({fine, {folder + "/absolute", "1"}}, outside);
  refuses({fine, {"hard", "", '1', "../../secret"}}, outside);
  EXPECT_NE(said(zipOf({fine, {"../x", "1"}})).find(outside), std::string::npos);
  EXPECT_NE(said(zipOf({fine, {"/tmp/sluice-x", "1"}})).find(outside), std::string::npos);
  const char* leads = "leads out of the archive's folder";
  refuses({fine, {"link", "", '2', "/etc"}}, leads);
  refuses({fine, {"link", "", '2', "../.."}}, leads);
  refuses({fine, {"link", "", '2', "nowhere/../../../x"}}, leads);
  refuses({{"b", "", '2', "."}, {"a", "", '2', "b/b/.."}}, leads);  // each alone looks harmless
  refuses({fine, {"device", "", '3'}}, "is neither a file nor a folder nor a link");
}

// A link is not there yet when the files behind it are written.
TEST_F(Archives, FilesDoNotGoThroughLinks) {
  EXPECT_NE(said(tarOf({{"d", "", '2', "."}, {"d/x", "1"}})), "a.tar: ");
  fs::remove_all(to);
  fs::create_directories(folder + "/target");
  std::string why(unpackArchive(tarOf({{"out", "", '2', "../../target"}, {"out/x", "1"}}), "a.tar", to, kMost).message());
  EXPECT_NE(why, "");
  EXPECT_TRUE(fs::is_empty(folder + "/target"));
}

TEST_F(Archives, BombsAreBounded) {
  std::string zeros(100'000, '\0');
  EXPECT_EQ(said(tarOf({{"a", zeros}, {"b", zeros}}), 200'000), "");
  fs::remove_all(to);
  EXPECT_NE(said(tarOf({{"a", zeros}, {"b", zeros}}), 199'999).find("unpacked it has more than 199999 bytes (sluice.archives.maxUnpackedSize)"), std::string::npos);
  auto compressor = Compressor::make(Compression::kGzip);
  Buffer out;
  compressor->add(tarOf({{"bomb", std::string(8 << 20, '\0')}}), out), compressor->finish(out);
  EXPECT_LT(out.size(), 200'000u);
  EXPECT_NE(said(std::string(out.view())).find("unpacked it has more than 1048576 bytes"), std::string::npos);
}

TEST_F(Archives, NamesOfAllTheWorldAreKept) {
  const std::string name = "na\xc3\xafve/\xe6\x97\xa5.txt";
  for (const std::string& bytes : {zipOf({{name, "1"}}), tarOf({{name, "1"}})}) {
    ASSERT_EQ(said(bytes), "");
    EXPECT_EQ(contents(to + "/" + name), "1");
    fs::remove_all(to);
  }
}

TEST_F(Archives, DepthIsBounded) {
  auto deep = [](int folders) {
    std::string name;
    for (int i = 0; i < folders; ++i) name += "a/";
    return tarOf({{name + "x", "1"}});
  };
  EXPECT_EQ(said(deep(255)), "");
  fs::remove_all(to);
  std::string why = said(deep(5000));
  EXPECT_NE(why.find("has more than 256 folders in one another"), std::string::npos) << why;
  EXPECT_LT(why.size(), 200u);
}

// As tar --sparse makes it.
TEST_F(Archives, AFileThatEndsInAHoleIsWhole) {
  std::string tar = tarOf({{"sparse", "abc"}});
  tar[156] = 'S';
  std::memcpy(&tar[257], "ustar  \0", 8);
  std::snprintf(&tar[386], 12, "%011o", 0), std::snprintf(&tar[398], 12, "%011o", 3);  // three bytes at 0,
  std::snprintf(&tar[483], 12, "%011o", 8192);                                        // of so many
  std::memset(&tar[148], ' ', 8);
  unsigned sum = 0;
  for (int i = 0; i < 512; ++i) sum += static_cast<unsigned char>(tar[std::size_t(i)]);
  std::snprintf(&tar[148], 8, "%06o", sum);
  ASSERT_EQ(said(tar), "");
  EXPECT_EQ(contents(to + "/sparse"), "abc" + std::string(8189, '\0'));
  fs::remove_all(to);
  EXPECT_NE(said(tar, 8191).find("more than 8191 bytes"), std::string::npos) << "holes count";
}

TEST_F(Archives, DamagedOnesAreOneLine) {
  EXPECT_NE(said("this is no archive at all").find("it is no archive that can be read, or is damaged ("), std::string::npos);
  std::string tar = tarOf({{"a", std::string(5000, 'a')}});
  EXPECT_NE(said(tar.substr(0, 2000)).find("damaged"), std::string::npos);
  tar[3] ^= 1;
  EXPECT_NE(said(tar).find("damaged"), std::string::npos);
  std::string zip = zipOf({{"a", "contents"}});
  zip[zip.find("contents")] ^= 1;
  EXPECT_NE(said(zip).find("damaged"), std::string::npos) << "its checksum";
}

TEST_F(Archives, AreKnownByTheirNames) {
  for (const char* name : {"a.zip", "b.JAR", "c.tar", "d.tar.gz", "e.tgz", "f.tar.zst", "g.tar.xz", "h.tar.bz2"}) EXPECT_TRUE(isArchiveName(name)) << name;
  for (const char* name : {"a.txt", "zip", ".zip", "a.gz", "a.zip.txt", ""}) EXPECT_FALSE(isArchiveName(name)) << name;
}

}  // namespace
}  // namespace sluice
