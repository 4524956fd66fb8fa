// The code in our documents and public headers, so that a test can compile it.
//
// In Markdown a block fenced as ```cpp is code that compiles; ```cpp no-compile is not looked at (a sketch, a mistake that is shown).
// In the comment of a public header, lines that are indented by three blanks or more after the slashes are code that compiles.
// A block is a file of its own if one of its first columns holds what only a file can hold: SLUICE_APPLICATION, SLUICE_FIELDS_OF, struct,
// class, template, TEST, int main. Otherwise it is the body of a function, with the names of kBodyNames at hand.
#pragma once
#include <string>
#include <vector>

namespace sluice::snippets {

struct Snippet {
  std::string file;
  int line = 0;  // of its first line, from 1
  std::string code;
};

// Throws std::runtime_error with file and line: a fence that is not closed, or that is spelt as nobody looks for (c++, C++, cc, cxx).
std::vector<Snippet> ofMarkdown(const std::string& file, const std::string& text);
std::vector<Snippet> ofHeader(const std::string& file, const std::string& text);

// One file with all of them, each in a namespace of its own; the compiler speaks of the lines where they stand.
std::string sourceOf(const std::vector<Snippet>& snippets);

// What the body of a function finds.
inline constexpr const char* kBodyNames = R"(
    [[maybe_unused]] const sluice::Args& args, [[maybe_unused]] const sluice::Context& context, [[maybe_unused]] sluice::StreamingContext& ssc,
    [[maybe_unused]] sluice::RDD<int> numbers, [[maybe_unused]] sluice::RDD<std::string> words, [[maybe_unused]] sluice::RDD<std::pair<std::string, int>> pairs,
    [[maybe_unused]] sluice::DStream<std::string_view> lines, [[maybe_unused]] sluice::DStream<std::pair<std::string, int>> counts)";

}  // namespace sluice::snippets
