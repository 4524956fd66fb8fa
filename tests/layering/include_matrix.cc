#include "tests/layering/include_matrix.h"

#include <algorithm>
#include <fstream>
#include <optional>

namespace sluice::layering {
namespace fs = std::filesystem;

namespace {

bool startsWith(const std::string& text, const std::string& prefix) { return text.compare(0, prefix.size(), prefix) == 0; }
bool anyPrefix(const std::string& text, const std::vector<std::string>& prefixes) {
  return std::any_of(prefixes.begin(), prefixes.end(), [&](const std::string& p) { return startsWith(text, p); });
}

struct Include {
  int line;
  std::string as;    // as written
  std::string file;  // in this tree, relative to the root; empty: from outside
};

// The text between the marks of an #include, if the line is one.
std::optional<std::string> included(const std::string& line) {
  std::size_t at = line.find_first_not_of(" \t");
  if (at == std::string::npos || line[at] != '#') return std::nullopt;
  at = line.find_first_not_of(" \t", at + 1);
  if (at == std::string::npos || line.compare(at, 7, "include") != 0) return std::nullopt;
  std::size_t open = line.find_first_of("<\"", at);
  if (open == std::string::npos) return std::nullopt;
  std::size_t close = line.find(line[open] == '<' ? '>' : '"', open + 1);
  return close == std::string::npos ? std::nullopt : std::optional(line.substr(open + 1, close - open - 1));
}

class Tree {
 public:
  explicit Tree(fs::path root) : root_(std::move(root)) {
    for (const char* folder : {"client", "common", "master", "worker", "tests", "proto", "deploy"})
      if (fs::exists(root_ / folder))
        for (const auto& entry : fs::recursive_directory_iterator(root_ / folder))
          if (entry.is_regular_file() && isSource(entry.path())) read(entry.path());
  }
  const std::map<std::string, std::vector<Include>>& files() const { return files_; }

  // Everything that a file gets to see from outside the tree, by way of the tree's own headers; with the way.
  std::map<std::string, std::string> reaches(const std::string& file) const {
    std::map<std::string, std::string> found;
    std::set<std::string> seen;
    walk(file, "", seen, found);
    return found;
  }

 private:
  static bool isSource(const fs::path& path) {
    std::string kind = path.extension();
    return kind == ".h" || kind == ".cc" || kind == ".inc";
  }
  void read(const fs::path& path) {
    std::string name = fs::relative(path, root_);
    std::vector<Include>& includes = files_[name];
    std::ifstream in(path);
    int number = 0;
    for (std::string line; std::getline(in, line);) {
      ++number;
      if (auto as = included(line)) includes.push_back({number, *as, resolve(*as)});
    }
  }
  std::string resolve(const std::string& as) const {
    for (const char* base : {"", "common/include/", "client/include/"})
      if (fs::is_regular_file(root_ / (base + as))) return base + as;
    if (startsWith(as, "proto/")) return as;  // generated from the .proto of that name
    return "";
  }
  void walk(const std::string& file, const std::string& way, std::set<std::string>& seen, std::map<std::string, std::string>& found) const {
    if (!seen.insert(file).second) return;
    auto at = files_.find(file);
    if (at == files_.end()) return;
    for (const Include& include : at->second) {
      if (include.file.empty())
        found.emplace(include.as, way);
      else
        walk(include.file, way + " > " + include.file, seen, found);
    }
  }

  fs::path root_;
  std::map<std::string, std::vector<Include>> files_;
};

const Room* roomOf(const std::string& file, const std::vector<Room>& rooms) {
  const Room* best = nullptr;
  for (const Room& room : rooms)
    if (startsWith(file, room.prefix) && (!best || room.prefix.size() > best->prefix.size())) best = &room;
  return best;
}

// Standard headers have neither a folder nor an extension; the compiler's own intrinsics are as good.
bool isStandard(const std::string& as) {
  return (as.find('/') == std::string::npos && as.find('.') == std::string::npos) || as.ends_with("mmintrin.h") || as == "arm_neon.h";
}

}  // namespace

std::vector<std::string> violations(const fs::path& root, const Matrix& matrix) {
  std::vector<std::string> found;
  Tree tree(root);
  for (const auto& [file, includes] : tree.files()) {
    auto say = [&, &file = file](const Include& include, const std::string& why) {
      found.push_back(file + ":" + std::to_string(include.line) + " includes " + include.as + ": " + why);
    };
    const Room* room = roomOf(file, matrix.rooms);
    if (!room) {
      found.push_back(file + ": lies in no room of the matrix; give its folder a line in tests/layering/rules.cc");
      continue;
    }
    bool isPublic = anyPrefix(file, matrix.publicFolders);
    for (const Include& include : includes) {
      if (!include.file.empty() && include.file != file && (!anyPrefix(include.file, room->own) || anyPrefix(include.file, room->never)))
        say(include, room->prefix + " may not see it");
      if (isPublic && !(include.file.empty() ? isStandard(include.as) : anyPrefix(include.file, matrix.publicFolders)))
        say(include, "a public header has only the standard library and sluice/");
      for (const Matrix::Pure& pure : matrix.pure)
        if (startsWith(file, pure.prefix) && !anyPrefix(file, pure.edge) && anyPrefix(include.as, pure.never))
          say(include, pure.prefix + " is pure: no threads, clocks, locks, files or sockets");
    }
    for (const auto& [outside, way] : tree.reaches(file))
      for (const Confined& library : matrix.confined)
        if (anyPrefix(outside, library.headers) && !anyPrefix(file, library.rooms) && (way.empty() || library.alsoThrough))
          found.push_back(file + ":1 includes " + outside + way + ": " + library.library + " is not for this folder");
  }
  return found;
}

}  // namespace sluice::layering
