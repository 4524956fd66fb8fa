// Who may include whom, as a table, and a check of a whole tree against it.
#pragma once
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace sluice::layering {

// A part of the tree and what its files may include. The longest prefix of a path says which room it lies in.
struct Room {
  std::string prefix;              // "common/grpc/", or one file
  std::vector<std::string> own;    // prefixes in this tree; "sluice/" is written as the folder it lies in
  std::vector<std::string> never;  // exceptions from `own`
};

// A library whose headers only some files may see, directly or by way of others.
struct Confined {
  std::string library;
  std::vector<std::string> headers;  // prefixes of its include paths
  std::vector<std::string> rooms;    // prefixes of the files that may include it
  bool alsoThrough = true;           // false: only direct includes are looked at
};

struct Matrix {
  std::vector<Room> rooms;
  std::vector<Confined> confined;
  // Folders with pure code: prefix of the files, what they must not include, and which of the files are at the edge instead.
  struct Pure {
    std::string prefix;
    std::vector<std::string> never;
    std::vector<std::string> edge;
  };
  std::vector<Pure> pure;
  std::vector<std::string> publicFolders;  // only the standard library and sluice/
};

// The matrix of this project.
const Matrix& matrix();

// One line for each include that is against the matrix: "file:line includes X: why not".
std::vector<std::string> violations(const std::filesystem::path& root, const Matrix& matrix);

}  // namespace sluice::layering
