#include "client/source_spec.h"

#include <fcntl.h>
#include <glob.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "sluice/error.h"

namespace sluice {
namespace {

constexpr std::uint64_t kLargestRange = 32ull << 20;

[[noreturn]] void refuse(const std::string& path, const std::string& why) {
  throwError(ErrorKind::kInvalidArgument, "textFile: " + path + ": " + why);
}

struct TextFile {
  std::string path;
  std::uint64_t size;
};

void addFile(const std::string& path, std::uint64_t size, std::vector<TextFile>& files) {
  if (::access(path.c_str(), R_OK) != 0) refuse(path, std::strerror(errno));
  files.push_back({path, size});
}

void addPath(const std::string& path, std::vector<TextFile>& files) {
  std::error_code error;
  std::string absolute = std::filesystem::absolute(path, error).lexically_normal().string();
  struct stat facts {};
  if (::stat(absolute.c_str(), &facts) != 0) refuse(path, std::strerror(errno));
  if (!S_ISDIR(facts.st_mode)) return addFile(absolute, std::uint64_t(facts.st_size), files);
  std::vector<std::string> names;
  for (std::filesystem::directory_iterator it(absolute, error), end; !error && it != end; it.increment(error)) {
    std::string name = it->path().filename().string();
    if (name[0] != '.' && name[0] != '_') names.push_back(it->path().string());
  }
  if (error) refuse(path, error.message());
  std::sort(names.begin(), names.end());
  for (const auto& name : names) {
    if (::stat(name.c_str(), &facts) == 0 && S_ISREG(facts.st_mode)) addFile(name, std::uint64_t(facts.st_size), files);
  }
}

void addPattern(const std::string& pattern, std::vector<TextFile>& files) {
  if (pattern.find_first_of("*?[{") == std::string::npos || std::filesystem::exists(pattern)) return addPath(pattern, files);
  glob_t found{};
  int rc = ::glob(pattern.c_str(), GLOB_BRACE | GLOB_ERR, nullptr, &found);
  std::vector<std::string> paths;
  if (rc == 0) paths.assign(found.gl_pathv, found.gl_pathv + found.gl_pathc);
  ::globfree(&found);
  if (rc == GLOB_NOMATCH) refuse(pattern, "no file matches");
  if (rc != 0) refuse(pattern, "cannot be listed");
  for (const auto& path : paths) addPath(path, files);
}

std::vector<TextFile> listFiles(std::string_view paths) {
  std::vector<TextFile> files;
  while (!paths.empty()) {
    // A comma inside braces belongs to a glob.
    std::size_t end = 0;
    for (int depth = 0; end < paths.size() && (depth > 0 || paths[end] != ','); ++end) depth += (paths[end] == '{') - (paths[end] == '}');
    std::string_view one = paths.substr(0, end);
    paths.remove_prefix(std::min(end + 1, paths.size()));
    while (!one.empty() && one.front() == ' ') one.remove_prefix(1);
    while (!one.empty() && one.back() == ' ') one.remove_suffix(1);
    if (one.substr(0, 7) == "file://") one.remove_prefix(7);
    else if (one.substr(0, 5) == "file:") one.remove_prefix(5);
    if (auto scheme = one.find("://"); scheme != std::string_view::npos && scheme > 1) {
      refuse(std::string(one), "only files of file systems that every executor mounts can be read; give a path");
    }
    if (!one.empty()) addPattern(std::string(one), files);
  }
  return files;
}

}  // namespace

void SourceSpec::seal() {
  std::string bytes;
  source.SerializeToString(&bytes);
  hash = XXH3_64bits(bytes.data(), bytes.size());
}

std::vector<proto::Input> cutTextFiles(std::string_view paths, std::size_t atLeast) {
  std::vector<TextFile> files = listFiles(paths);
  if (files.empty() && paths.find_first_not_of(" ,") == std::string_view::npos) refuse("''", "no path is named");
  std::uint64_t total = 0;
  for (const auto& file : files) total += file.size;
  std::uint64_t range = std::clamp<std::uint64_t>((total + atLeast - 1) / std::max<std::size_t>(atLeast, 1), 1, kLargestRange);
  std::vector<proto::Input> inputs;
  for (const auto& file : files) {
    std::uint64_t parts = std::max<std::uint64_t>((file.size + range - 1) / range, 1);
    for (std::uint64_t p = 0; p < parts; ++p) {
      auto& input = inputs.emplace_back();
      input.set_text(true);
      std::uint64_t from = file.size * p / parts, to = file.size * (p + 1) / parts;
      input.set_bytes(to - from);
      auto& where = *input.mutable_file();
      where.set_path(file.path), where.set_from(std::int64_t(from));
      where.set_to(parts == 1 ? 0 : std::int64_t(to));
    }
  }
  return inputs;
}

}  // namespace sluice
