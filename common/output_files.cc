#include "common/output_files.h"

#include <cstdio>

#include "common/compression.h"

namespace sluice {

std::string outputDirectory(const proto::Output& output, std::int64_t whenMs) {
  std::string directory = output.prefix();
  if (whenMs > 0) {
    directory += (directory.empty() || directory.back() == '/' ? "" : "-") + std::to_string(whenMs);
    if (!output.suffix().empty()) directory += "." + output.suffix();
  }
  while (directory.size() > 1 && directory.back() == '/') directory.pop_back();
  return directory;
}

std::string partExtension(const proto::Output& output) { return extensionOf(Compression(output.compression())); }

std::string partName(const proto::Output& output, std::uint32_t partition) {
  char name[24];
  std::snprintf(name, sizeof(name), "part-%05u", partition);
  return name + partExtension(output);
}

}  // namespace sluice
