// The table in client/README.md of what Spark has and where it is here: rows of three cells, `| Spark | here | shown by |`. The last one names
// tests, as `Suite.Name`, or says "left out: why" or "not yet".
#pragma once
#include <set>
#include <string>
#include <vector>

namespace sluice::layering {

// The part of a document that begins with this heading (a whole line), up to the next heading of its level or above. Empty: there is none.
std::string sectionOf(const std::string& markdown, const std::string& heading);

struct CheckedTable {
  int rows = 0;
  std::vector<std::string> wrong;  // a line each: which row, and what is wrong with it
};
// Every table of the text must be such a one.
CheckedTable checkTable(const std::string& text, const std::set<std::string>& tests);

// "Suite.Name" of all tests in the .cc files below the folder, and "compile_error.name" of the snippets in compile_errors/.
std::set<std::string> testsBelow(const std::string& folder);

}  // namespace sluice::layering
