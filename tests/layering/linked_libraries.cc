#include "tests/layering/linked_libraries.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <stdexcept>

namespace sluice::layering {
namespace fs = std::filesystem;

const std::vector<Linked>& linkedLibraries() {
  // libprotobuf.so is the full runtime; messages are LITE.
  static const std::vector<Linked> table = {
      {"lib/libsluice.so", {"libgrpc", "libgpr", "librocksdb", "libarchive", "libglog", "libprotobuf.so", "libsluice_"}},
      {"lib/libsluice_cluster.so", {"librocksdb", "libglog", "libprotobuf.so", "libsluice_rocksdb"}},
      {"lib/libsluice_archive.so", {"libgrpc", "libgpr", "librocksdb", "libglog", "libprotobuf", "libabsl", "libsluice"}},
      {"lib/libsluice_rocksdb.so", {"libgrpc", "libgpr", "libglog", "libprotobuf.so", "libsluice_cluster"}},
      {"lib/libsluice_examples.so", {"libgrpc", "libgpr", "librocksdb", "libglog", "libprotobuf", "libabsl", "libsluice_"}},
      {"bin/sluice-master", {"libprotobuf.so", "libsluice_examples"}},
      {"bin/sluice-worker", {"librocksdb", "libsluice_rocksdb", "libprotobuf.so", "libsluice_examples"}},
      {"bin/sluice-executor", {"libgrpc", "libgpr", "librocksdb", "libglog", "libprotobuf.so", "libsluice_"}},
      {"bin/sluice-submit", {"libgrpc", "libgpr", "librocksdb", "libglog", "libprotobuf.so", "libsluice_"}},
      {"bin/sluice-ctl", {"librocksdb", "libglog", "libprotobuf.so", "libsluice_rocksdb", "libsluice_examples"}},
  };
  return table;
}

std::vector<std::string> neededBy(const fs::path& file) {
  std::FILE* pipe = popen(("readelf -d '" + file.string() + "' 2>/dev/null").c_str(), "r");
  if (!pipe) throw std::runtime_error("readelf cannot be run (package binutils)");
  std::string text;
  std::array<char, 4096> piece;
  while (std::size_t n = std::fread(piece.data(), 1, piece.size(), pipe)) text.append(piece.data(), n);
  if (pclose(pipe) != 0 || text.empty()) throw std::runtime_error("readelf -d cannot read " + file.string());
  std::vector<std::string> needed;
  for (std::size_t at = 0; (at = text.find("(NEEDED)", at)) != std::string::npos;) {
    std::size_t open = text.find('[', at), close = text.find(']', at);
    if (open == std::string::npos || close == std::string::npos) break;
    needed.push_back(text.substr(open + 1, close - open - 1));
    at = close;
  }
  return needed;
}

std::vector<std::string> linkViolations(const fs::path& build, const std::vector<Linked>& table) {
  std::vector<std::string> found;
  for (const Linked& rule : table) {
    fs::path file = build / rule.file;
    if (!fs::exists(file)) {
      found.push_back(rule.file + " is not built");
      continue;
    }
    for (const std::string& library : neededBy(file))
      for (const std::string& never : rule.never)
        if (library.compare(0, never.size(), never) == 0) found.push_back(rule.file + " is linked to " + library);
  }
  return found;
}

}  // namespace sluice::layering
