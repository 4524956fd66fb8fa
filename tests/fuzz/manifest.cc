// A checkpoint's directory: manifests as they come, and with a checksum that was made right.
#include <xxhash.h>

#include <filesystem>
#include <fstream>

#include "master/manifest_files.h"
#include "tests/fuzz/fuzz.h"

using namespace sluice;  // NOLINT

namespace {

const std::string& directory() {
  static std::string path = [] {
    std::string made = std::filesystem::temp_directory_path().string() + "/sluice-fuzz-XXXXXX";
    fuzz::require(::mkdtemp(made.data()) != nullptr, "there is a temporary folder");
    std::ofstream(made + "/state-1-0-0-1.rows") << "rows";
    return made;
  }();
  static struct Remove {
    ~Remove() { std::filesystem::remove_all(path); }
    std::string path;
  } remove{path};
  return path;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input in(data, size);
  std::uint8_t mode = in.byte();
  std::string bytes(in.rest());
  proto::Manifest manifest;
  if (mode % 2 == 1 && manifest.ParseFromString(bytes)) {
    manifest.clear_checksum();
    std::string plain = manifest.SerializeAsString();
    manifest.set_checksum(XXH3_64bits(plain.data(), plain.size()));
    bytes = manifest.SerializeAsString();
  }
  std::ofstream(directory() + "/manifest-1", std::ios::binary) << bytes;
  master::ManifestRead read;
  auto status = master::readManifest(directory(), read);
  fuzz::require(status.ok() ? read.manifest.has_value() : !status.message().empty(), "a manifest, or why not");
  if (read.manifest) {
    for (const auto& file : read.manifest->files()) {
      fuzz::require(file.name().find('/') == std::string::npos && !file.name().empty(), "files of a manifest lie in its directory");
    }
  }
  return 0;
}
