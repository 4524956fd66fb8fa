#include <gtest/gtest.h>

#include "common/master_url.h"

namespace sluice {
namespace {

MasterUrl parsed(std::string_view text) {
  MasterUrl url;
  auto status = parseMasterUrl(text, url);
  EXPECT_TRUE(status.ok()) << text << ": " << status;
  return url;
}

TEST(MasterUrl, Local) {
  EXPECT_EQ(parsed("local").slots, 1);
  EXPECT_EQ(parsed("local[4]").slots, 4);
  EXPECT_EQ(parsed("local[4]").failures, 1);
  EXPECT_EQ(parsed("local[2,3]").failures, 3);
  EXPECT_EQ(parsed("local[2, 3]").failures, 3);
  EXPECT_GE(parsed("local[*]").slots, 1);
}

TEST(MasterUrl, LocalCluster) {
  auto url = parsed("local-cluster[3,2,512]");
  EXPECT_EQ(url.kind, MasterUrl::Kind::kLocalCluster);
  EXPECT_EQ(url.workers, 3);
  EXPECT_EQ(url.slots, 2);
  EXPECT_EQ(url.memoryMb, 512);
}

TEST(MasterUrl, Remote) {
  auto url = parsed("sluice://a:7077,b.example.org:7078");
  EXPECT_EQ(url.kind, MasterUrl::Kind::kRemote);
  EXPECT_EQ(url.addresses, (std::vector<std::string>{"a:7077", "b.example.org:7078"}));
  EXPECT_EQ(parsed("sluice://[::1]:7077").addresses[0], "[::1]:7077");
}

TEST(MasterUrl, RefusesInOneLineThatNamesTheForms) {
  for (const char* text : {"", "locl", "local[", "local[]", "local[0]", "local[-1]", "local[2,0]", "local[2,3,4]", "local[2]x", "local[ ]",
                           "local-cluster[3,2]", "local-cluster[3,2,x]", "sluice://", "sluice://host", "sluice://host:", "sluice://:7077",
                           "sluice://host:70777", "sluice://host:7077/x", "sluice://a:1,", "spark://host:7077", "yarn", "local[99999999999]"}) {
    MasterUrl url;
    auto status = parseMasterUrl(text, url);
    ASSERT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << text;
    std::string line(status.message());
    EXPECT_EQ(line.find('\n'), std::string::npos);
    EXPECT_NE(line.find("sluice://HOST:PORT"), std::string::npos) << line;
  }
}

}  // namespace
}  // namespace sluice
