#include "tests/layering/feature_table.h"

#include <filesystem>
#include <fstream>
#include <regex>
#include <sstream>

namespace sluice::layering {
namespace {

std::size_t levelOf(const std::string& line) {
  std::size_t level = line.find_first_not_of('#');
  return level != std::string::npos && line[level] == ' ' ? level : 0;
}

std::string trimmed(const std::string& text) {
  auto from = text.find_first_not_of(' ');
  return from == std::string::npos ? "" : text.substr(from, text.find_last_not_of(' ') - from + 1);
}

// Cells of a line of a table; a | inside `code`, or after a backslash, divides nothing.
std::vector<std::string> cellsOf(const std::string& line) {
  std::vector<std::string> cells(1);
  bool code = false;
  for (std::size_t i = 1; i < line.size(); ++i) {
    if (line[i] == '`') code = !code;
    if (line[i] == '\\' && i + 1 < line.size()) cells.back() += line[i++];
    else if (line[i] == '|' && !code) {
      cells.emplace_back();
      continue;
    }
    cells.back() += line[i];
  }
  for (auto& cell : cells) cell = trimmed(cell);
  if (!cells.empty() && cells.back().empty()) cells.pop_back();  // behind the last |
  return cells;
}

std::vector<std::string> codeIn(const std::string& cell) {
  std::vector<std::string> words;
  for (std::size_t at = cell.find('`'); at != std::string::npos;) {
    std::size_t end = cell.find('`', at + 1);
    if (end == std::string::npos) break;
    words.push_back(cell.substr(at + 1, end - at - 1));
    at = cell.find('`', end + 1);
  }
  return words;
}

}  // namespace

std::string sectionOf(const std::string& markdown, const std::string& heading) {
  std::istringstream in(markdown);
  std::string section;
  bool inside = false;
  for (std::string line; std::getline(in, line);) {
    if (inside && levelOf(line) != 0 && levelOf(line) <= levelOf(heading)) break;
    inside = inside || line == heading;
    if (inside) section += line + "\n";
  }
  return section;
}

CheckedTable checkTable(const std::string& text, const std::set<std::string>& tests) {
  CheckedTable checked;
  std::istringstream in(text);
  int behindHead = 0;  // 0: outside; 1: the head was read; 2: the line of dashes, too
  for (std::string line; std::getline(in, line);) {
    if (line.empty() || line[0] != '|') {
      behindHead = 0;
      continue;
    }
    auto cells = cellsOf(line);
    auto wrong = [&](const std::string& what) { checked.wrong.push_back(what + ": " + line); };
    if (cells.size() != 3) wrong("a row has three cells");
    if (behindHead < 2) {
      if (++behindHead == 1 && cells != std::vector<std::string>{"Spark", "here", "shown by"}) wrong("a table is headed | Spark | here | shown by |");
      continue;
    }
    ++checked.rows;
    if (cells.size() != 3) continue;
    for (const auto& cell : cells) {
      if (cell.empty()) wrong("no cell is empty");
    }
    const std::string& shown = cells[2];
    auto named = codeIn(shown);
    bool excused = shown.starts_with("left out: ") && shown.size() > 15;
    if (shown.starts_with("not yet")) excused = true;
    if (excused) continue;
    if (named.empty()) wrong("the last cell names a test, or says 'left out: why' or 'not yet'");
    for (const auto& test : named) {
      if (!tests.contains(test)) wrong("there is no test " + test);
    }
  }
  return checked;
}

std::set<std::string> testsBelow(const std::string& folder) {
  static const std::regex kTest("^TEST(?:_F|_P)?\\((\\w+),\\s*(\\w+)\\)");
  std::set<std::string> names;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (entry.path().extension() != ".cc") continue;
    if (entry.path().parent_path().filename() == "compile_errors") names.insert("compile_error." + entry.path().stem().string());
    std::ifstream in(entry.path());
    std::smatch match;
    for (std::string line; std::getline(in, line);) {
      if (line.starts_with("TEST") && std::regex_search(line, match, kTest)) names.insert(match[1].str() + "." + match[2].str());
    }
  }
  return names;
}

}  // namespace sluice::layering
