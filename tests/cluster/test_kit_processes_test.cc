// The test kit on local-cluster: real processes, one of which is killed midway.
#include <gtest/gtest.h>

#include <stdexcept>
#include <string>
#include <utility>

#include "sluice/testing.h"

namespace {

using namespace sluice::testing;  // NOLINT: the kit
using Count = std::pair<std::string, int>;

TEST(TestKitProcesses, AnExecutorIsKilledMidway) {
  auto counted = [](const auto& s) { return s.map([](const std::string& word) { return std::pair(word, 1); }).reduceByKey(std::plus<>()); };
  expectBatches<std::string>({{"a", "b", "a"}, {}, {"b"}, {"c"}}, counted, {{{"a", 2}, {"b", 1}}, {}, {{"b", 1}}, {{"c", 1}}},
                             {.shapes = {Shape::kProcesses}, .midway = {Midway::kExecutorLoss}, .interval = sluice::Milliseconds(200)});
}

TEST(TestKitProcesses, SourceFedByHand) {
  Cluster cluster(Shape::kProcesses, sluice::Milliseconds(200));
  auto words = cluster.source<std::string>();
  auto got = cluster.collect(words.stream());
  words.send({"a"});
  cluster.runBatches(2);  // real time: the second batch may have the record as well as the first
  std::vector<std::string> all;
  for (const auto& batch : *got) {
    for (const auto& word : batch.records()) all.push_back(word);
  }
  EXPECT_EQ(all, std::vector<std::string>{"a"});
  EXPECT_EQ(errorOf([&] { cluster.restartMaster(); }), "the master cannot be restarted on processes; use Shape::kSimulated");
}

// It is bytes of the input, as often as not, and passes from executor to master to driver.
TEST(TestKitProcesses, WhatAFunctionThrowsNeedNotBeUtf8) {
  auto refusing = [](const auto& s) {
    return s.map([](const std::string& word) {
      if (word[0] == '\xff') throw std::runtime_error("not a word: " + word);
      return word;
    });
  };
  std::string error = errorOf([&] { expectBatches<std::string>({{"a"}, {"\xff\xfe"}}, refusing, {{"a"}, {}}, {.shapes = {Shape::kProcesses}, .interval = sluice::Milliseconds(200)}); });
  EXPECT_NE(error.find("not a word: \xff\xfe"), std::string::npos) << error;
}

}  // namespace
