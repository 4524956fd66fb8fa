// What each library and executable of a build may be linked to, and what readelf says it is.
#pragma once
#include <filesystem>
#include <string>
#include <vector>

namespace sluice::layering {

struct Linked {
  std::string file;                // below the build folder
  std::vector<std::string> never;  // prefixes of NEEDED entries
};

// The libraries and executables of this project.
const std::vector<Linked>& linkedLibraries();

// The NEEDED entries of one file, by readelf -d. Throws std::runtime_error if it is no ELF file.
std::vector<std::string> neededBy(const std::filesystem::path& file);

// One line for each entry that is not allowed and each file of the table that is missing.
std::vector<std::string> linkViolations(const std::filesystem::path& build, const std::vector<Linked>& table);

}  // namespace sluice::layering
