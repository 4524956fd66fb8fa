#include "tests/snippets/extract.h"

#include <algorithm>
#include <sstream>
#include <stdexcept>

namespace sluice::snippets {
namespace {

std::vector<std::string> linesOf(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

[[noreturn]] void fail(const std::string& file, std::size_t line, const std::string& what) {
  throw std::runtime_error(file + ":" + std::to_string(line) + ": " + what);
}

std::string unindented(const std::string& line, std::size_t by) { return line.substr(std::min(by, line.find_first_not_of(' '))); }

bool isFile(const std::string& code) {
  std::istringstream in(code);
  for (std::string line; std::getline(in, line);) {
    for (const char* begin : {"SLUICE_APPLICATION", "SLUICE_FIELDS_OF", "struct ", "class ", "template ", "TEST(", "TEST_F(", "int main("}) {
      if (line.starts_with(begin)) return true;
    }
  }
  return false;
}

}  // namespace

std::vector<Snippet> ofMarkdown(const std::string& file, const std::string& text) {
  std::vector<Snippet> all;
  auto lines = linesOf(text);
  for (std::size_t i = 0; i < lines.size(); ++i) {
    std::size_t indent = lines[i].find_first_not_of(' ');
    if (indent == std::string::npos || lines[i].compare(indent, 3, "```") != 0) continue;
    std::istringstream info(lines[i].substr(indent + 3));
    std::string language, mode;
    info >> language >> mode;
    std::size_t end = i + 1;
    while (end < lines.size() && (lines[end].find_first_not_of(' ') == std::string::npos || unindented(lines[end], indent) != "```")) ++end;
    if (end == lines.size()) fail(file, i + 1, "this block has no end");
    if (language == "c++" || language == "C++" || language == "cc" || language == "cxx") fail(file, i + 1, "call it ```cpp, so that it is compiled");
    if (language == "cpp" && !mode.empty() && mode != "no-compile") fail(file, i + 1, "```cpp or ```cpp no-compile, not '" + mode + "'");
    if (language == "cpp" && mode.empty()) {
      Snippet snippet{file, int(i) + 2, ""};
      for (std::size_t at = i + 1; at < end; ++at) snippet.code += unindented(lines[at], indent) + "\n";
      all.push_back(std::move(snippet));
    }
    i = end;
  }
  return all;
}

std::vector<Snippet> ofHeader(const std::string& file, const std::string& text) {
  std::vector<Snippet> all;
  bool open = false;
  auto lines = linesOf(text);
  for (std::size_t i = 0; i < lines.size(); ++i) {
    std::size_t at = lines[i].find_first_not_of(' ');
    bool comment = at != std::string::npos && lines[i].compare(at, 2, "//") == 0;
    std::string rest = comment ? lines[i].substr(at + 2) : "";
    bool code = comment && rest.starts_with("   ") && rest.find_first_not_of(' ') != std::string::npos;
    bool blank = comment && rest.find_first_not_of(' ') == std::string::npos;
    if (code && !open) all.push_back({file, int(i) + 1, ""});
    if (code || (blank && open)) all.back().code += (code ? rest.substr(3) : "") + "\n";
    open = code || (blank && open);
  }
  return all;
}

std::string sourceOf(const std::vector<Snippet>& snippets) {
  std::ostringstream includes, out;
  includes << "#include <sluice/streaming.h>\n#include <sluice/testing.h>\n#include <gtest/gtest.h>\n#include <cstdio>\n#include <functional>\n";
  for (std::size_t i = 0; i < snippets.size(); ++i) {
    const Snippet& snippet = snippets[i];
    bool file = isFile(snippet.code);
    out << "namespace snippet" << i << " {\nusing namespace sluice::testing;\n";
    if (!file) out << "[[maybe_unused]] void body(" << kBodyNames << ") {\n";
    out << "#line " << snippet.line << " \"" << snippet.file << "\"\n";
    for (const auto& line : linesOf(snippet.code)) {
      if (line.starts_with("#include")) includes << line << "\n", out << "\n";
      else out << line << "\n";
    }
    if (!file) out << "}\n";
    out << "}\n";
  }
  return includes.str() + out.str();
}

}  // namespace sluice::snippets
