#include "common/archive.h"

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <iterator>
#include <system_error>

#include "common/own_library.h"

namespace sluice {

bool isArchiveName(std::string_view name) {
  std::string lower(name);
  std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) { return char(std::tolower(c)); });
  constexpr std::string_view kEnds[] = {".zip", ".jar", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz", ".tar.zst"};
  return std::any_of(std::begin(kEnds), std::end(kEnds), [&](std::string_view end) { return lower.size() > end.size() && lower.ends_with(end); });
}

absl::Status unpackArchive(std::string_view bytes, const std::string& name, const std::string& directory, std::uint64_t mostBytes) {
  void* address = nullptr;
  if (auto status = ownSymbol("libsluice_archive.so", "sluice_unpack", address); !status.ok()) return status;
  auto unpack = reinterpret_cast<void (*)(const char*, std::size_t, const char*, std::uint64_t, std::string*)>(address);
  namespace fs = std::filesystem;
  std::error_code error;
  std::string aside = directory + ".unpacking";
  fs::remove_all(aside, error);  // of a process that was killed
  fs::create_directories(aside, error);
  if (error) return absl::UnavailableError(name + " cannot be unpacked into " + aside + ": " + error.message());
  std::string why;
  unpack(bytes.data(), bytes.size(), aside.c_str(), mostBytes, &why);
  if (why.empty()) {
    fs::rename(aside, directory, error);
    if (error) why = "cannot be moved to " + directory + ": " + error.message();
  }
  if (why.empty()) return absl::OkStatus();
  fs::remove_all(aside, error);
  return absl::InvalidArgumentError(name + ": " + why);
}

}  // namespace sluice
