#include "client/shipped_files.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <system_error>

#include "client/context_core.h"
#include "client/log.h"
#include "sluice/context.h"

namespace sluice {

void ShippedFiles::add(const std::string& path, const std::function<std::uint64_t(std::string_view)>& share) {
  namespace fs = std::filesystem;
  std::error_code error;
  std::string full = fs::absolute(path, error).lexically_normal().string(), name = fs::path(full).filename().string();
  if (path.empty() || !fs::exists(full, error)) throwError(ErrorKind::kInvalidArgument, "addFile: there is no file '" + path + "'");
  if (!fs::is_regular_file(full, error)) throwError(ErrorKind::kInvalidArgument, "addFile: " + full + " is not a file; add the files of a directory one by one");
  {
    std::lock_guard lock(mutex_);
    for (const auto& file : files_) {
      if (file.path == full) return logLine(LogLevel::kWarn, "addFile: " + full + " has been added already; what it held then stays");
      if (file.name == name) throwError(ErrorKind::kInvalidArgument, "addFile: a file named " + name + " has been added already: " + file.path);
    }
  }
  std::ifstream in(full, std::ios::binary);
  std::string bytes((std::istreambuf_iterator<char>(in)), {});
  if (!in) throwError(ErrorKind::kInvalidArgument, "addFile: " + full + " cannot be read: " + std::strerror(errno));
  std::uint64_t id = share(bytes);
  std::lock_guard lock(mutex_);
  files_.push_back({name, full, id});
}

std::vector<std::string> ShippedFiles::paths() const {
  std::lock_guard lock(mutex_);
  std::vector<std::string> paths;
  for (const auto& file : files_) paths.push_back(file.path);
  return paths;
}

std::string ShippedFiles::get(std::string_view name) const {
  std::lock_guard lock(mutex_);
  std::string names;
  for (const auto& file : files_) {
    if (file.name == name) return file.path;
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

std::vector<std::string> listFiles(ContextCore& context) { return context.files().paths(); }

}  // namespace detail
}  // inline namespace SLUICE_ABI
}  // namespace sluice
