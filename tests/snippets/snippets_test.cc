// The code in README files and in the comments of public headers compiles.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>

#include "tests/snippets/extract.h"

namespace sluice::snippets {
namespace {

namespace fs = std::filesystem;

std::string contentOf(const fs::path& file) {
  std::ostringstream all;
  all << std::ifstream(file).rdbuf();
  return all.str();
}

// Of the tree, in the order of their names.
std::vector<Snippet> ofTree() {
  std::vector<fs::path> documents, headers;
  fs::path root = SLUICE_SOURCE_DIR;
  for (const auto& entry : fs::directory_iterator(root)) {
    if (entry.path().extension() == ".md") documents.push_back(entry.path());
    std::string name = entry.path().filename();
    if (!entry.is_directory() || name == "build" || name.starts_with(".")) continue;
    for (const auto& inner : fs::recursive_directory_iterator(entry)) {
      if (inner.path().extension() == ".md") documents.push_back(inner.path());
    }
  }
  for (const char* folder : {"client/include", "common/include"}) {
    for (const auto& entry : fs::recursive_directory_iterator(root / folder)) {
      if (entry.path().extension() == ".h") headers.push_back(entry.path());
    }
  }
  std::sort(documents.begin(), documents.end());
  std::sort(headers.begin(), headers.end());
  std::vector<Snippet> all;
  auto add = [&](std::vector<Snippet> more) { all.insert(all.end(), more.begin(), more.end()); };
  for (const auto& file : documents) add(ofMarkdown(fs::relative(file, root), contentOf(file)));
  for (const auto& file : headers) add(ofHeader(fs::relative(file, root), contentOf(file)));
  return all;
}

// What the compiler says to them; empty: nothing.
std::string compile(const std::string& name, const std::vector<Snippet>& snippets) {
  std::string file = std::string(WORK_FOLDER) + "/" + name + ".cc";
  fs::create_directories(WORK_FOLDER);
  std::ofstream(file) << sourceOf(snippets);
  FILE* pipe = ::popen((CXX_COMPILER " -std=c++20 -fsyntax-only -fdiagnostics-color=never -Wall -Wextra -Wno-unused -isystem" SLUICE_SOURCE_DIR
                        "/client/include -isystem" SLUICE_SOURCE_DIR "/common/include " + file + " 2>&1").c_str(), "r");
  if (!pipe) throw std::runtime_error("cannot run " CXX_COMPILER);
  std::string said;
  char bytes[4096];
  for (std::size_t n; (n = std::fread(bytes, 1, sizeof bytes, pipe)) > 0;) said.append(bytes, n);
  ::pclose(pipe);
  return said;
}

std::string thrown(const std::string& markdown) {
  try {
    ofMarkdown("a.md", markdown);
  } catch (const std::exception& error) {
    return error.what();
  }
  return "";
}

TEST(Snippets, OfTheTreeCompile) {
  auto all = ofTree();
  ASSERT_GE(all.size(), 5u);
  EXPECT_EQ(std::count_if(all.begin(), all.end(), [](const Snippet& snippet) { return snippet.file == "README.md"; }), 1) << "README.md has an application";
  std::string said = compile("tree", all);
  EXPECT_TRUE(said.empty()) << said;
}

TEST(Snippets, OneThatDoesNotCompileIsToldByItsLine) {
  auto all = ofMarkdown("some.md", "Text.\n\n```cpp\nauto doubled = numbers.map([](int x) { return 2 * x; });\nnumbers.mop();\n```\n");
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all[0].line, 4);
  EXPECT_NE(compile("planted", all).find("some.md:5:"), std::string::npos);
}

TEST(Snippets, OfMarkdown) {
  auto all = ofMarkdown("some.md", "```sh\nls\n```\n  ```cpp\n  int x;\n    int y;\n  ```\n```cpp no-compile\nnonsense\n```\n```\ntext\n```\n");
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all[0].code, "int x;\n  int y;\n");
  EXPECT_EQ(all[0].line, 5);
  EXPECT_EQ(thrown("x\n```cpp\nint y;\n"), "a.md:2: this block has no end");
  EXPECT_EQ(thrown("```c++\n```\n"), "a.md:1: call it ```cpp, so that it is compiled");
  EXPECT_EQ(thrown("```cpp nocompile\n```\n"), "a.md:1: ```cpp or ```cpp no-compile, not 'nocompile'");
}

TEST(Snippets, OfHeaders) {
  auto all = ofHeader("a.h", "// What it is.\n//\n//   first();\n//\n//     second();\n// No more.\nint x;  // end\n  // Of a member.\n  //   third();\n  void f();\n");
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].code, "first();\n\n  second();\n");
  EXPECT_EQ(all[0].line, 3);
  EXPECT_EQ(all[1].code, "third();\n");
}

}  // namespace
}  // namespace sluice::snippets
