// RDD::pipe: records through commands, on every shape.
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <map>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "everywhere.h"

namespace {

using sluice::Context;
using sluice::PipeInput;
using sluice::testing::errorOf;
using sluice::testing::everywhere;
using Lines = std::vector<std::string>;


TEST(Pipe, LinesInAndLinesOut) {
  everywhere([](const Context& sc) {
    auto words = sc.parallelize(Lines{"b", "a", "c", "", "e"}, 2);
    EXPECT_EQ(words.pipe("cat").collect(), (Lines{"b", "a", "c", "", "e"}));
    EXPECT_EQ(words.pipe("  tr \t a-z  A-Z ").collect(), (Lines{"B", "A", "C", "", "E"}));
    EXPECT_EQ(words.pipe({"sh", "-c", "sort -r; printf 'no newline at the end'"}).collect(),
              (Lines{"b", "a", "no newline at the end", "e", "c", "", "no newline at the end"}))
        << "a command for each partition";
    EXPECT_EQ(words.pipe("wc -l").map([](const std::string& n) { return std::stoi(n); }).collect(), (std::vector<int>{2, 3}));
    EXPECT_EQ(sc.parallelize(std::vector<std::pair<int, char>>{{1, 'x'}}, 1).pipe("cat").collect(), Lines{"(1,x)"}) << "as records print";
    EXPECT_EQ(sc.parallelize(Lines{}, 3).pipe({"sh", "-c", "echo empty"}).collect(), (Lines{"empty", "empty", "empty"}));
    EXPECT_EQ(sc.parallelize(Lines{"x"}, 1).pipe({"printf", "a\\r\\nb\\n"}).collect(), (Lines{"a", "b"}));
  });
}

TEST(Pipe, MoreThanPipesHoldInBothDirections) {
  everywhere([](const Context& sc) {
    auto numbers = sc.range(0, 200'000, 1, 2).map([](std::int64_t i) { return "a line of some length, number " + std::to_string(i); });
    auto got = numbers.pipe("cat").collect();
    ASSERT_EQ(got.size(), 200'000u);
    for (std::size_t i = 0; i < got.size(); i += 999) EXPECT_EQ(got[i], "a line of some length, number " + std::to_string(i));
    // Reads all before it writes, and writes all before it reads.
    EXPECT_EQ(numbers.pipe({"sh", "-c", "x=$(cat); printf '%s\n' \"$x\""}).count(), 200'000);
    EXPECT_EQ(numbers.pipe({"sh", "-c", "seq 1 100000; cat"}).count(), 400'000);
  });
}

TEST(Pipe, EnvironmentAndHooks) {
  everywhere([](const Context& sc) {
    auto numbers = sc.parallelize(std::vector<int>{1, 2, 3}, 2);
    EXPECT_EQ(numbers.pipe({"sh", "-c", "cat > /dev/null; echo $GREETING"}, {{"GREETING", "hello world"}}).collect(), (Lines{"hello world", "hello world"}));
    auto context = [](PipeInput& print, const std::string& title) { print(title), print("--"); };
    auto element = [](int x, PipeInput& print) {
      for (int i = 0; i < x; ++i) print(std::to_string(x) + "." + std::to_string(i));
    };
    EXPECT_EQ(numbers.pipe(Lines{"cat"}, {}, sluice::with(context, std::string("numbers")), element).collect(),
              (Lines{"numbers", "--", "1.0", "numbers", "--", "2.0", "2.1", "3.0", "3.1", "3.2"}));
    auto lines = sc.parallelize(Lines{"x"}, 1);
    EXPECT_EQ(lines.pipe(Lines{"cat"}, {}, [](PipeInput&) {}, [](std::string_view line, PipeInput& print) { print("<" + std::string(line) + ">"); }).collect(),
              Lines{"<x>"});
  });
}

TEST(Pipe, ACommandThatFailsFailsTheJobAndSaysWhy) {
  everywhere([](const Context& sc) {
    auto words = sc.parallelize(Lines{"a"}, 1);
    std::string why = errorOf([&] { words.pipe({"sh", "-c", "cat; echo one >&2; echo 'it is broken' >&2; exit 3"}).collect(); });
    EXPECT_NE(why.find("pipe at pipe_test.cc:"), std::string::npos) << why;
    EXPECT_NE(why.find("the command 'sh -c cat; echo one >&2; echo 'it is broken' >&2; exit 3' exited with 3: one it is broken"), std::string::npos) << why;
    why = errorOf([&] { words.pipe({"sh", "-c", "kill -9 $$"}).count(); });
    EXPECT_NE(why.find("the command 'sh -c kill -9 $$' killed by signal 9"), std::string::npos) << why;
    why = errorOf([&] { words.pipe("sluice-no-such-command x").count(); });
    EXPECT_NE(why.find("cannot start sluice-no-such-command: No such file or directory"), std::string::npos) << why;
    EXPECT_EQ(errorOf([&] { words.pipe("  "); }), "pipe: the command is empty");
    EXPECT_EQ(errorOf([&] { words.pipe(Lines{}); }), "pipe: the command is empty");
    EXPECT_EQ(words.count(), 1) << "the context lives on";
  });
}

TEST(Pipe, ACommandMayStopReadingEarly) {
  everywhere([](const Context& sc) {
    auto many = sc.range(0, 300'000, 1, 1);
    EXPECT_EQ(many.pipe("head -n 2").collect(), (Lines{"0", "1"}));
    EXPECT_EQ(many.pipe("true").count(), 0);
    // What it leaves behind holds its output open, and is not waited for.
    EXPECT_EQ(sc.parallelize(Lines{"x"}, 1).pipe({"sh", "-c", "sleep 3 & cat"}).collect(), Lines{"x"});
    // A consumer that wants no more ends the command.
    EXPECT_EQ(sc.parallelize(Lines{"x"}, 1).pipe({"yes"}).take(3), (Lines{"y", "y", "y"}));
  });
}

}  // namespace
