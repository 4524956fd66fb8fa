#include "client/shipped_files.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <system_error>

#include "client/context_core.h"
#include "client/log.h"
#include "common/archive.h"
#include "sluice/context.h"

namespace sluice {

namespace {

namespace fs = std::filesystem;

// Absolute; throws if there is no such file.
std::string fullPath(const char* method, const std::string& path, const char* ofDirectories) {
  std::error_code error;
  std::string full = fs::absolute(path, error).lexically_normal().string();
  if (path.empty() || !fs::exists(full, error)) throwError(ErrorKind::kInvalidArgument, std::string(method) + ": there is no file '" + path + "'");
  if (!fs::is_regular_file(full, error)) throwError(ErrorKind::kInvalidArgument, std::string(method) + ": " + full + " is not a file; " + ofDirectories);
  return full;
}

std::string contentsOf(const char* method, const std::string& full) {
  std::ifstream in(full, std::ios::binary);
  std::string bytes((std::istreambuf_iterator<char>(in)), {});
  if (!in) throwError(ErrorKind::kInvalidArgument, std::string(method) + ": " + full + " cannot be read: " + std::strerror(errno));
  return bytes;
}

}  // namespace

ShippedFiles::~ShippedFiles() {
  std::error_code error;
  if (!folder_.empty()) fs::remove_all(folder_, error);
}

bool ShippedFiles::known(const char* method, const std::string& full, const std::string& name) const {
  std::lock_guard lock(mutex_);
  for (const auto& file : files_) {
    if (file.path == full && file.name == name) {
      logLine(LogLevel::kWarn, std::string(method) + ": " + full + " has been added already; what it held then stays");
      return true;
    }
    if (file.name == name) throwError(ErrorKind::kInvalidArgument, std::string(method) + ": a file named " + name + " has been added already: " + file.path);
  }
  return false;
}

void ShippedFiles::add(const std::string& path, const std::function<std::uint64_t(std::string_view)>& share) {
  std::string full = fullPath("addFile", path, "add the files of a directory one by one"), name = fs::path(full).filename().string();
  if (known("addFile", full, name)) return;
  std::uint64_t id = share(contentsOf("addFile", full));
  std::lock_guard lock(mutex_);
  files_.push_back({name, full, id});
}

void ShippedFiles::addArchive(const std::string& path, std::uint64_t mostBytes, const std::function<std::uint64_t(std::string_view)>& share) {
  auto sharp = path.rfind('#');
  std::string alias = sharp == std::string::npos ? "" : path.substr(sharp + 1);
  std::string full = fullPath("addArchive", path.substr(0, sharp), "pack the directory, as with tar -czf"), own = fs::path(full).filename().string();
  if (sharp != std::string::npos && (alias.empty() || alias == "." || alias == ".." || alias.find('/') != std::string::npos)) {
    throwError(ErrorKind::kInvalidArgument, "addArchive: behind the # of '" + path + "' stands no name of a folder");
  }
  if (!isArchiveName(own)) {
    throwError(ErrorKind::kInvalidArgument, "addArchive: " + own + " does not end as an archive does (.zip, .jar, .tar, .tar.gz, .tgz, .tar.bz2, .tar.xz, .tar.zst); ship files with addFile");
  }
  std::string name = alias.empty() ? own : alias;
  std::lock_guard adding(unpacking_);
  if (known("addArchive", full, name)) return;
  if (folder_.empty()) {
    std::string made = (fs::temp_directory_path() / "sluice-archives-XXXXXX").string();
    if (!::mkdtemp(made.data())) throwError(ErrorKind::kUnavailable, "addArchive: " + made + " cannot be made: " + std::strerror(errno));
    folder_ = made;
  }
  // What cannot be unpacked here could not be where tasks run; and this process, too, keeps what the file held now.
  std::string bytes = contentsOf("addArchive", full), folder = folder_ + "/" + std::to_string(count()) + "/" + name;
  if (auto status = unpackArchive(bytes, own, folder, mostBytes); !status.ok()) {
    ErrorKind kind = status.code() == absl::StatusCode::kInvalidArgument ? ErrorKind::kInvalidArgument : ErrorKind::kUnavailable;
    throwError(kind, "addArchive: " + std::string(status.message()));
  }
  std::uint64_t id = share(bytes);
  std::lock_guard lock(mutex_);
  files_.push_back({name, full, id, own, mostBytes, folder});
}

std::vector<std::string> ShippedFiles::paths(bool archives) const {
  std::lock_guard lock(mutex_);
  std::vector<std::string> paths;
  for (const auto& file : files_) {
    if (file.archive.empty() == archives) continue;
    paths.push_back(file.path + (file.archive.empty() || file.archive == file.name ? "" : "#" + file.name));
  }
  return paths;
}

std::string ShippedFiles::get(std::string_view name) const {
  std::lock_guard lock(mutex_);
  std::string names;
  for (const auto& file : files_) {
    if (file.name == name) return file.archive.empty() ? file.path : file.folder;
    names += (names.empty() ? "" : ", ") + file.name;
  }
  throwError(ErrorKind::kInvalidArgument, "no file '" + std::string(name) + "' was added with Context::addFile" + (names.empty() ? "" : "; there are: " + names));
}

std::size_t ShippedFiles::count() const {
  std::lock_guard lock(mutex_);
  return files_.size();
}

void ShippedFiles::addTo(proto::Captures& captures) const {
  std::lock_guard lock(mutex_);
  for (const auto& file : files_) {
    auto* to = captures.add_files();
    to->set_name(file.name), to->set_broadcast(file.id);
    to->set_archive(file.archive), to->set_archive_bytes(file.mostBytes);
    auto& ids = *captures.mutable_broadcasts();
    if (std::find(ids.begin(), ids.end(), file.id) == ids.end()) ids.Add(file.id);
  }
}

inline namespace SLUICE_ABI {

std::string Files::get(std::string_view name) {
  if (TaskContext* task = TaskContext::get()) return task->file(name);
  detail::ContextRef context = detail::activeContext();
  if (!context) throwError(ErrorKind::kIllegalState, "Files::get: there is no active Context");
  return context->files().get(name);
}

namespace detail {

void addFile(ContextCore& context, std::string_view path, CallSite) {
  context.checkActive();
  context.files().add(std::string(path), [&](std::string_view bytes) { return context.addBroadcast(bytes, "sluice::Files"); });
}

std::vector<std::string> listFiles(ContextCore& context) { return context.files().paths(false); }

void addArchive(ContextCore& context, std::string_view path, CallSite) {
  context.checkActive();
  context.files().addArchive(std::string(path), context.settings().get(sluice::conf::kArchivesMaxSize).bytes,
                             [&](std::string_view bytes) { return context.addBroadcast(bytes, "sluice::Files"); });
}

std::vector<std::string> listArchives(ContextCore& context) { return context.files().paths(true); }

}  // namespace detail
}  // inline namespace SLUICE_ABI
}  // namespace sluice
