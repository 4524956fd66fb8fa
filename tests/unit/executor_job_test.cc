// Jobs from plans made by hand, through machines and data planes, on one executor and on three.
#include <cstdio>
#include <fstream>
#include <numeric>
#include <random>
#include <stdexcept>

#include "executor_plans.h"

namespace sluice::executor::testing {
namespace {

const std::map<std::string, std::int64_t> kExpected{{"", 1}, {"a", 3}, {"b", 2}, {"c", 1}, {"long-word-number-one", 2}};
const std::vector<std::string> kTexts{"a b\r\na long-word-number-one\n", "c\nb a\n\nlong-word-number-one"};

TEST(ExecutorJob, WordCountOnOne) {
  Fleet fleet(1);
  PlanMaker plan;
  plan.output(wordCount(plan, kTexts), proto::OUTPUT_RESULTS);
  fleet.install(plan, 2);
  fleet.launchAll(-1);
  fleet.settle();
  EXPECT_EQ(counts(fleet), kExpected);
  auto prepared = fleet.ofKind(proto::Message::kPrepared);
  ASSERT_EQ(prepared.size(), 1u) << "told once, when all is done";
  EXPECT_EQ(prepared[0]->message.prepared().input_records(), 6u);
  EXPECT_EQ(prepared[0]->message.prepared().tasks().stage_size(), 2);
}

TEST(ExecutorJob, WordCountOnThree) {
  Fleet fleet(3);
  PlanMaker plan;
  plan.output(wordCount(plan, kTexts), proto::OUTPUT_RESULTS);
  fleet.install(plan, 5);
  fleet.launchAll(-1);
  fleet.settle();
  EXPECT_EQ(counts(fleet), kExpected);
}

// More rows than the budget of an executor: segments spill, and the reducers run in passes.
TEST(ExecutorJob, LargerThanMemory) {
  for (bool combine : {true, false}) {
    Fleet fleet(2, 2 << 20);
    PlanMaker plan;
    std::mt19937_64 random(11);
    std::vector<std::string> texts;
    std::map<std::string, std::int64_t> expected;
    for (int p = 0; p < 3; ++p) {
      std::string text;
      for (int i = 0; i < 60'000; ++i) {
        std::string word = "word-" + std::to_string(random() % 40'000);
        ++expected[word];
        text += word + (i % 10 == 9 ? "\n" : " ");
      }
      texts.push_back(std::move(text));
    }
    plan.output(wordCount(plan, std::move(texts), combine), proto::OUTPUT_RESULTS);
    fleet.install(plan, 3);
    fleet.launchAll(-1);
    fleet.settle();
    std::map<std::string, std::int64_t> found;
    std::map<std::uint64_t, std::vector<std::uint32_t>> held;  // results over 64 KiB stay in the executors
    for (const auto& [from, envelope] : fleet.toMaster) {
      for (const auto& failed : {envelope->message.failed()}) EXPECT_EQ(failed.message(), "");
      for (const auto& result : envelope->message.prepared().results()) {
        EXPECT_EQ(result.attachment(), -1);
        held[from].push_back(result.partition());
      }
    }
    std::uint64_t spilled = 0;
    for (auto& member : fleet.members) spilled += member->runtime.store().spilledBytes();
    EXPECT_GT(spilled, 0u);
    for (const auto& [executor, partitions] : held) {
      for (std::uint32_t partition : partitions) {
        auto [envelope, get] = compose(&proto::Message::mutable_get);
        get->set_request(partition + 1);
        get->mutable_result()->set_partition(partition);
        get->mutable_instance()->set_when_ms(-1);
        fleet.toDriver.clear();
        fleet.at(executor).machine->onMessage({Role::kDriver, 1}, envelope, fleet.now);
        fleet.settle();
        ASSERT_FALSE(fleet.toDriver.empty());
        for (std::size_t i = 0; i < fleet.toDriver.size(); ++i) {
          const proto::Got& got = fleet.toDriver[i]->message.got();
          EXPECT_TRUE(got.present());
          EXPECT_EQ(got.more(), i + 1 < fleet.toDriver.size());
          for (int a = 0; a < got.piece_rows_size(); ++a) {
            for (const auto& [word, n] : recordsOf<Count>(fleet.toDriver[i]->attachments[std::size_t(a)].view(), got.piece_rows(a))) {
              EXPECT_TRUE(found.emplace(word, n).second) << word;
            }
          }
        }
      }
    }
    EXPECT_EQ(found, expected) << (combine ? "combined" : "not combined");
  }
}

TEST(ExecutorJob, BroadcastAndUnionAndCoalesce) {
  Fleet fleet(3);
  PlanMaker plan;
  auto numbers = [](std::int64_t from, std::int64_t to) {
    std::vector<std::int64_t> all(static_cast<std::size_t>(to - from));
    std::iota(all.begin(), all.end(), from);
    return std::pair(rowsOf(all), std::uint64_t(all.size()));
  };
  auto& a = plan.source<std::int64_t>({numbers(0, 10), numbers(10, 20)}, false);
  auto& b = plan.source<std::int64_t>({numbers(100, 103), numbers(200, 203), numbers(300, 303)}, false);
  auto& both = plan.add<std::int64_t>(proto::NODE_UNION, "union");
  plan.edge(both, a);
  plan.edge(both, b);
  auto& fewer = plan.add<std::int64_t>(proto::NODE_COALESCE, "coalesce");
  plan.edge(fewer, both);
  fewer.set_partitions(2);
  plan.output(fewer, proto::OUTPUT_RESULTS);
  fleet.install(plan, 2);
  fleet.launchAll(-3);
  fleet.settle();
  auto found = fleet.results<std::int64_t>();
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].size(), 20u);
  EXPECT_EQ(found[1], (std::vector<std::int64_t>{100, 101, 102, 200, 201, 202, 300, 301, 302}));
}

TEST(ExecutorJob, GeneratedIntegersAndAKeptValueReadTwice) {
  Fleet fleet(1);
  PlanMaker plan;
  auto& source = plan.add<std::int64_t>(proto::NODE_SOURCE, "range");
  source.mutable_source()->set_kind(proto::SOURCE_STATIC);
  for (auto [from, to, step] : std::vector<std::tuple<int, int, int>>{{0, 5000, 1}, {10, 0, -3}}) {
    auto& range = *source.mutable_source()->add_inputs()->mutable_generated();
    range.set_from(from), range.set_to(to), range.set_step(step);
  }
  source.mutable_keep()->set_keep(true);
  auto twice = [](std::int64_t x) { return 2 * x; };
  auto& doubled = plan.step<std::int64_t>(source, ops::Map<std::int64_t, std::int64_t, decltype(twice)>::of(twice), "map");
  plan.output(doubled, proto::OUTPUT_RESULTS);
  plan.output(source, proto::OUTPUT_RESULTS);
  fleet.install(plan, 2);
  fleet.launchAll(-1);
  fleet.settle();
  EXPECT_EQ(fleet.results<std::int64_t>(0)[1], (std::vector<std::int64_t>{20, 14, 8, 2}));
  EXPECT_EQ(fleet.results<std::int64_t>(1)[0].size(), 5000u);
  auto prepared = fleet.ofKind(proto::Message::kPrepared);
  ASSERT_EQ(prepared.size(), 1u);
  EXPECT_EQ(prepared[0]->message.prepared().kept_size(), 2);
  EXPECT_EQ(prepared[0]->message.prepared().kept(0).when_ms(), 0);
  // The second job reads what the first one kept.
  fleet.toMaster.clear();
  auto [envelope, launch] = fleet.launch(-2);
  Fleet::addTask(*launch, fleet.view->stages().back().index, -2, 1);
  fleet.at(1).machine->onMessage(kMasterPeer, envelope, fleet.now);
  fleet.settle();
  EXPECT_EQ(fleet.results<std::int64_t>(1)[1], (std::vector<std::int64_t>{10, 7, 4, 1}));
}

TEST(ExecutorJob, FilesArePublishedOnce) {
  Fleet fleet(1);
  TemporaryFolder folder;
  PlanMaker plan;
  auto& lines = plan.source<std::string_view>({{"a\nb\n", 0}, {"c", 0}}, true);
  auto& output = plan.output(lines, proto::OUTPUT_FILES);
  output.set_prefix(folder.path() + "/out/");
  fleet.install(plan, 2);
  fleet.launchAll(-1);
  fleet.settle();
  auto [envelope, publish] = compose(&proto::Message::mutable_publish);
  publish->mutable_instance()->set_when_ms(-1);
  for (const auto& result : fleet.ofKind(proto::Message::kPrepared).at(0)->message.prepared().results()) {
    EXPECT_TRUE(result.staged().starts_with(folder.path() + "/.sluice-1--1-out/")) << result.staged();
    auto& file = *publish->add_files();
    file.set_staged(result.staged()), file.set_final(folder.path() + "/out/part-0000" + std::to_string(result.partition()));
  }
  auto& marker = *publish->add_files();
  marker.set_final(folder.path() + "/out/_SUCCESS"), marker.set_parts(2);
  for (int times = 0; times < 2; ++times) {
    fleet.at(1).machine->onMessage(kMasterPeer, envelope, fleet.now);
    fleet.settle();
    EXPECT_EQ(fleet.ofKind(proto::Message::kPublished).back()->message.published().error(), "");
  }
  std::string text;
  std::getline(std::ifstream(folder.path() + "/out/part-00000"), text, '\0');
  EXPECT_EQ(text, "a\nb\n");
  EXPECT_TRUE(std::filesystem::exists(folder.path() + "/out/_SUCCESS"));
  EXPECT_FALSE(std::filesystem::exists(folder.path() + "/.sluice-1--1-out"));
}

auto refuse = [](std::string_view line) {
  if (line == "bad") throw std::runtime_error("no\nsuch thing");
  return line;
};

TEST(ExecutorJob, AUserExceptionNamesTheOperatorAndTheRecord) {
  TemporaryFolder folder;
  std::string path = folder.path() + "/input.txt";
  std::ofstream(path) << "good\nfine\nbad\ngood\n";
  Fleet fleet(1);
  PlanMaker plan;
  auto& lines = plan.add<std::string_view>(proto::NODE_SOURCE, "textFile");
  lines.mutable_source()->set_kind(proto::SOURCE_STATIC);
  lines.mutable_source()->add_inputs()->mutable_file()->set_path(path);
  auto& checked = plan.step<std::string_view>(lines, ops::Map<std::string_view, std::string_view, decltype(refuse)>::of(refuse), "map");
  plan.output(checked, proto::OUTPUT_NONE);
  fleet.install(plan, 1);
  fleet.launchAll(-1);
  fleet.settle();
  auto failed = fleet.ofKind(proto::Message::kFailed);
  ASSERT_EQ(failed.size(), 1u);
  EXPECT_EQ(failed[0]->message.failed().domain(), proto::DOMAIN_USER);
  EXPECT_EQ(failed[0]->message.failed().site(), "map at plan.cc:2");
  EXPECT_EQ(failed[0]->message.failed().message(), "map at plan.cc:2: no such thing (at or after record 1 of " + path + " at byte 0)");
  // Once more, record by record.
  auto [envelope, launch] = fleet.launch(-1, 1);
  Fleet::addTask(*launch, 0, -1, 0, 2);
  launch->set_cautious(true);
  fleet.at(1).machine->onMessage(kMasterPeer, envelope, fleet.now);
  fleet.settle();
  failed = fleet.ofKind(proto::Message::kFailed);
  ASSERT_EQ(failed.size(), 2u);
  EXPECT_EQ(failed[1]->message.failed().attempt(), 2u);
  EXPECT_EQ(failed[1]->message.failed().message(), "map at plan.cc:2: no such thing (record 3 of " + path + " at byte 10)");
}

TEST(ExecutorJob, AMissingFileIsOneLine) {
  Fleet fleet(1);
  PlanMaker plan;
  auto& lines = plan.add<std::string_view>(proto::NODE_SOURCE, "textFile");
  lines.mutable_source()->set_kind(proto::SOURCE_STATIC);
  lines.mutable_source()->add_inputs()->mutable_file()->set_path("/no/such/file");
  plan.output(lines, proto::OUTPUT_NONE);
  fleet.install(plan, 1);
  fleet.launchAll(-1);
  fleet.settle();
  auto failed = fleet.ofKind(proto::Message::kFailed);
  ASSERT_EQ(failed.size(), 1u);
  EXPECT_EQ(failed[0]->message.failed().message(), "textFile at plan.cc:1: cannot read /no/such/file: No such file or directory");
}

}  // namespace
}  // namespace sluice::executor::testing
