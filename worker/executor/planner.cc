#include "worker/executor/planner.h"

#include <dirent.h>
#include <glob.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace sluice::executor {

namespace {

std::int64_t rememberOf(const FilePlannerOptions& options) {
  std::int64_t interval = std::max<std::int64_t>(options.intervalMs, 1);
  return (options.minRemember.milliseconds() + interval - 1) / interval * interval;
}

void listOne(const std::string& directory, Listing& listing) {
  DIR* open = ::opendir(directory.c_str());
  if (!open) {
    if (errno != ENOTDIR) listing.warning = "cannot list " + directory + ": " + std::strerror(errno);
    return;
  }
  while (dirent* entry = ::readdir(open)) {
    if (entry->d_name[0] == '.') continue;
    std::string path = directory + (directory.ends_with('/') ? "" : "/") + entry->d_name;
    struct stat facts {};
    if (::stat(path.c_str(), &facts) != 0 || !S_ISREG(facts.st_mode)) continue;  // gone meanwhile, or no file
    listing.files.push_back({std::move(path), facts.st_mtim.tv_sec * 1000 + facts.st_mtim.tv_nsec / 1'000'000, std::uint64_t(facts.st_size)});
  }
  ::closedir(open);
}

}  // namespace

FilePlanner::FilePlanner(FilePlannerOptions options, const std::vector<std::string>& seen)
    : options_(options), rememberMs_(rememberOf(options)), recent_(seen.begin(), seen.end()) {
  if (!seen.empty()) selected_[options.startMs] = seen;
}

std::vector<FileFacts> FilePlanner::select(const std::vector<FileFacts>& listing, std::int64_t batchMs) {
  std::int64_t window = batchMs - rememberMs_;
  for (auto it = selected_.begin(); it != selected_.end() && it->first < window; it = selected_.erase(it)) {
    for (const std::string& path : it->second) recent_.erase(path);
  }
  std::int64_t threshold = std::max(options_.newFilesOnly ? options_.startMs : 0, window);
  std::vector<FileFacts> found;
  for (const FileFacts& file : listing) {
    if (file.modifiedMs <= threshold || file.modifiedMs > batchMs || !recent_.insert(file.path).second) continue;
    selected_[batchMs].push_back(file.path);
    found.push_back(file);
  }
  return found;
}

Listing listFiles(const std::string& directory) {
  Listing listing;
  if (directory.find_first_of("*?[") == std::string::npos) {
    listOne(directory, listing);
    if (listing.warning.empty() && listing.files.empty()) {
      struct stat facts {};
      if (::stat(directory.c_str(), &facts) == 0 && !S_ISDIR(facts.st_mode)) listing.warning = directory + " is no directory";
    }
  } else {
    glob_t found{};
    if (::glob(directory.c_str(), GLOB_NOSORT, nullptr, &found) == 0) {
      for (std::size_t i = 0; i < found.gl_pathc; ++i) listOne(found.gl_pathv[i], listing);
    } else {
      listing.warning = "nothing matches " + directory;
    }
    ::globfree(&found);
  }
  std::sort(listing.files.begin(), listing.files.end(), [](const FileFacts& a, const FileFacts& b) { return a.path < b.path; });
  return listing;
}

}  // namespace sluice::executor
