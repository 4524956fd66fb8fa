#include "client/file_inputs.h"

#include <glob.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <string>

#include "common/compression.h"
#include "sluice/error.h"

namespace sluice {
namespace {

using Kind = detail::FileForm::Kind;

constexpr std::uint64_t kLargestRange = 32ull << 20;

struct File {
  std::string path;
  std::uint64_t size;
};

// Finds the files that paths name.
class Finder {
 public:
  explicit Finder(const char* method) : method_(method) {}

  std::vector<File> find(std::string_view paths);
  [[noreturn]] void refuse(const std::string& path, const std::string& why) const {
    throwError(ErrorKind::kInvalidArgument, std::string(method_) + ": " + path + ": " + why);
  }

 private:
  void addFile(const std::string& path, std::uint64_t size) {
    if (::access(path.c_str(), R_OK) != 0) refuse(path, std::strerror(errno));
    files_.push_back({path, size});
  }
  void addPath(const std::string& path);
  void addPattern(const std::string& pattern);

  const char* const method_;
  std::vector<File> files_;
};

void Finder::addPath(const std::string& path) {
  std::error_code error;
  std::string absolute = std::filesystem::absolute(path, error).lexically_normal().string();
  struct stat facts {};
  if (::stat(absolute.c_str(), &facts) != 0) refuse(path, std::strerror(errno));
  if (!S_ISDIR(facts.st_mode)) return addFile(absolute, std::uint64_t(facts.st_size));
  std::vector<std::string> names;
  for (std::filesystem::directory_iterator it(absolute, error), end; !error && it != end; it.increment(error)) {
    std::string name = it->path().filename().string();
    if (name[0] != '.' && name[0] != '_') names.push_back(it->path().string());
  }
  if (error) refuse(path, error.message());
  std::sort(names.begin(), names.end());
  for (const auto& name : names) {
    if (::stat(name.c_str(), &facts) == 0 && S_ISREG(facts.st_mode)) addFile(name, std::uint64_t(facts.st_size));
  }
}

void Finder::addPattern(const std::string& pattern) {
  if (pattern.find_first_of("*?[{") == std::string::npos || std::filesystem::exists(pattern)) return addPath(pattern);
  glob_t found{};
  int rc = ::glob(pattern.c_str(), GLOB_BRACE | GLOB_ERR, nullptr, &found);
  std::vector<std::string> paths;
  if (rc == 0) paths.assign(found.gl_pathv, found.gl_pathv + found.gl_pathc);
  ::globfree(&found);
  if (rc == GLOB_NOMATCH) refuse(pattern, "no file matches");
  if (rc != 0) refuse(pattern, "cannot be listed");
  for (const auto& path : paths) addPath(path);
}

std::vector<File> Finder::find(std::string_view paths) {
  std::string_view all = paths;
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
    if (!one.empty()) addPattern(std::string(one));
  }
  if (files_.empty() && all.find_first_not_of(" ,") == std::string_view::npos) refuse("''", "no path is named");
  return std::move(files_);
}

// Neighbours share a partition up to `range` bytes.
std::vector<proto::Input> whole(const std::vector<File>& files, std::uint64_t range) {
  std::vector<proto::Input> inputs;
  for (const auto& file : files) {
    if (inputs.empty() || inputs.back().bytes() + file.size > range) inputs.emplace_back();
    inputs.back().mutable_files()->add_paths(file.path);
    inputs.back().set_bytes(inputs.back().bytes() + file.size);
    inputs.back().set_records(inputs.back().records() + 1);
  }
  return inputs;
}

void addRanges(const File& file, std::uint64_t range, std::uint64_t unit, bool text, std::vector<proto::Input>& inputs) {
  std::uint64_t units = file.size / unit, parts = std::max<std::uint64_t>((file.size + range - 1) / range, 1);
  for (std::uint64_t p = 0; p < parts; ++p) {
    std::uint64_t from = units * p / parts * unit, to = units * (p + 1) / parts * unit;
    auto& input = inputs.emplace_back();
    input.set_text(text);
    input.set_bytes(to - from);
    if (unit > 1) input.set_records((to - from) / unit);
    auto& where = *input.mutable_file();
    where.set_path(file.path), where.set_from(std::int64_t(from));
    where.set_to(parts == 1 ? 0 : std::int64_t(to));
  }
}

}  // namespace

void setForm(const char* method, const detail::FileForm& form, proto::Source& source) {
  if (form.kind == Kind::kRecords && form.recordBytes < 1) {
    throwError(ErrorKind::kInvalidArgument, std::string(method) + ": the record length is " + std::to_string(form.recordBytes) + "; it must be above 0");
  }
  switch (form.kind) {
    case Kind::kLines: source.set_format(proto::FORMAT_LINES), source.set_text(true); break;
    case Kind::kTexts: source.set_format(proto::FORMAT_TEXTS); break;
    case Kind::kBytes: source.set_format(proto::FORMAT_BYTES); break;
    case Kind::kRecords: source.set_format(proto::FORMAT_RECORDS), source.set_record_bytes(std::uint64_t(form.recordBytes)); break;
    case Kind::kObjects: source.set_format(proto::FORMAT_OBJECTS), source.set_schema(form.schema.data(), form.schema.size()); break;
  }
}

std::vector<proto::Input> cutFiles(const char* method, std::string_view paths, const detail::FileForm& form, std::size_t atLeast) {
  Finder finder(method);
  std::vector<File> files = finder.find(paths);
  std::uint64_t total = 0;
  for (const auto& file : files) total += file.size;
  std::uint64_t range = std::clamp<std::uint64_t>((total + atLeast - 1) / std::max<std::size_t>(atLeast, 1), 1, kLargestRange);
  if (form.kind == Kind::kTexts || form.kind == Kind::kBytes) {
    for (const auto& file : files) {
      if (std::string why = form.kind == Kind::kTexts ? cannotDecompress(file.path) : ""; !why.empty()) finder.refuse(file.path, why);
    }
    return whole(files, range);
  }
  std::vector<proto::Input> inputs;
  auto unit = std::uint64_t(form.kind == Kind::kRecords ? form.recordBytes : 1);
  for (const auto& file : files) {
    bool lines = form.kind == Kind::kLines;
    if (std::string why = lines ? cannotDecompress(file.path) : ""; !why.empty()) finder.refuse(file.path, why);
    if (lines && compressionOf(file.path) != Compression::kNone) {
      addRanges(file, std::max<std::uint64_t>(file.size, 1), 1, true, inputs);
      continue;
    }
    if (file.size % unit != 0) {
      finder.refuse(file.path, "has " + std::to_string(file.size) + " bytes, which is no multiple of the record length " + std::to_string(unit));
    }
    addRanges(file, std::max(range, unit), unit, lines, inputs);
  }
  return inputs;
}

}  // namespace sluice
