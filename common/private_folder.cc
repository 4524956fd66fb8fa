#include "common/private_folder.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace sluice {

std::string privateFolderIn(const std::string& parent) { return parent + "/sluice-" + std::to_string(::getuid()); }

absl::Status makePrivateFolder(const std::string& path) {
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) {
    return absl::UnavailableError("cannot make " + path + ": " + std::strerror(errno));
  }
  struct stat info;
  bool ours = ::lstat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode) && info.st_uid == ::getuid();
  if (ours && (info.st_mode & 077) != 0) ours = ::chmod(path.c_str(), 0700) == 0;
  if (!ours) return absl::PermissionDeniedError(path + " is not a folder of this user; remove it");
  return absl::OkStatus();
}

}  // namespace sluice
