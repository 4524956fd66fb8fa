// Directories of durable files: made, and synced so that the names in them last. All throw Error(kUnavailable) with path and reason.
#pragma once
#include <string>

namespace sluice::executor {

std::string parentOf(const std::string& path);  // "." where there is none
void makeDirectories(const std::string& path);
void syncDirectory(const std::string& path);
// "what path: the reason", from errno.
[[noreturn]] void throwErrno(const std::string& what, const std::string& path);

}  // namespace sluice::executor
