#include "worker/executor/planner.h"

#include <dirent.h>
#include <glob.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "common/compression.h"

namespace sluice::executor {

namespace {

constexpr std::uint64_t kRangeBytes = 64 << 20;  // longer files are read by several tasks

std::int64_t windowOf(const FilePlannerOptions& options) {
  std::int64_t interval = std::max<std::int64_t>(options.intervalMs, 1);
  return (options.rememberMs + interval - 1) / interval * interval;
}

void listOne(const std::string& directory, bool hidden, Listing& listing) {
  DIR* open = ::opendir(directory.c_str());
  if (!open) {
    if (errno != ENOTDIR) listing.warning = "cannot list " + directory + ": " + std::strerror(errno);
    return;
  }
  while (dirent* entry = ::readdir(open)) {
    if (!hidden && (entry->d_name[0] == '.' || entry->d_name[0] == '_')) continue;
    std::string path = directory + (directory.ends_with('/') ? "" : "/") + entry->d_name;
    struct stat facts {};
    if (::stat(path.c_str(), &facts) != 0 || !S_ISREG(facts.st_mode)) continue;  // gone meanwhile, or no file
    listing.files.push_back({std::move(path), facts.st_mtim.tv_sec * 1000 + facts.st_mtim.tv_nsec / 1'000'000, std::uint64_t(facts.st_size)});
  }
  ::closedir(open);
}

}  // namespace

FilePlanner::FilePlanner(FilePlannerOptions options, const std::vector<SeenFile>& seen)
    : options_(options), windowMs_(windowOf(options)), listedMs_(options.listedMs) {
  for (const SeenFile& file : seen) {
    std::int64_t& until = recent_[file.path];
    until = std::max(until, file.whenMs);
    selected_.emplace(file.whenMs, file.path);
  }
}

std::vector<FileFacts> FilePlanner::select(const std::vector<FileFacts>& listing, std::int64_t batchMs) {
  std::int64_t first = listedMs_ > 0 ? std::min(batchMs, listedMs_ + options_.intervalMs) : batchMs;
  std::int64_t window = first - windowMs_;
  while (!selected_.empty() && selected_.begin()->first < window) {
    auto oldest = selected_.extract(selected_.begin());
    auto known = recent_.find(oldest.mapped());
    if (known == recent_.end()) continue;
    if (known->second < window) {
      recent_.erase(known);
    } else {
      oldest.key() = known->second;
      selected_.insert(std::move(oldest));
    }
  }
  std::int64_t threshold = std::max(options_.newFilesOnly ? options_.begunMs : 0, window);
  std::vector<FileFacts> found;
  for (const FileFacts& file : listing) {
    if (file.modifiedMs <= threshold || file.modifiedMs > batchMs) continue;
    auto [known, fresh] = recent_.emplace(file.path, batchMs);
    if (!fresh) {
      known->second = std::max(known->second, file.modifiedMs);
      continue;
    }
    selected_.emplace(batchMs, file.path);
    found.push_back(file);
  }
  listedMs_ = batchMs;
  return found;
}

Listing listFiles(const std::string& directory, bool hidden) {
  Listing listing;
  if (directory.find_first_of("*?[") == std::string::npos) {
    listOne(directory, hidden, listing);
    if (listing.warning.empty() && listing.files.empty()) {
      struct stat facts {};
      if (::stat(directory.c_str(), &facts) == 0 && !S_ISDIR(facts.st_mode)) listing.warning = directory + " is no directory";
    }
  } else {
    glob_t found{};
    if (::glob(directory.c_str(), GLOB_NOSORT, nullptr, &found) == 0) {
      for (std::size_t i = 0; i < found.gl_pathc; ++i) listOne(found.gl_pathv[i], hidden, listing);
    } else {
      listing.warning = "nothing matches " + directory;
    }
    ::globfree(&found);
  }
  std::sort(listing.files.begin(), listing.files.end(), [](const FileFacts& a, const FileFacts& b) { return a.path < b.path; });
  return listing;
}

std::vector<proto::Input> inputsOf(const FileFacts& file, const proto::Source& source) {
  bool lines = source.format() == proto::FORMAT_LINES;
  std::uint64_t length = source.format() == proto::FORMAT_RECORDS ? std::max<std::uint64_t>(source.record_bytes(), 1) : 1;
  bool whole = (lines && compressionOf(file.path) != Compression::kNone) || file.bytes % length != 0;
  std::uint64_t step = whole ? std::max<std::uint64_t>(file.bytes, 1) : std::max(kRangeBytes / length, std::uint64_t(1)) * length;
  std::vector<proto::Input> inputs;
  for (std::uint64_t from = 0; from < std::max<std::uint64_t>(file.bytes, 1); from += step) {
    proto::Input& input = inputs.emplace_back();
    std::uint64_t to = std::min(from + step, file.bytes);
    proto::Input::FileRange& range = *input.mutable_file();
    range.set_path(file.path), range.set_from(std::int64_t(from)), range.set_to(whole ? 0 : std::int64_t(to));
    input.set_bytes(to - from), input.set_text(lines);
    if (source.format() == proto::FORMAT_RECORDS) input.set_records((to - from) / length);
  }
  return inputs;
}

}  // namespace sluice::executor
