// Properties files, settings by --conf and what stands in them: sizes, times, flags, addresses of masters.
#include "common/conf.h"
#include "common/master_url.h"
#include "tests/fuzz/fuzz.h"

using namespace sluice;  // NOLINT

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static fuzz::MemoryFile file;
  fuzz::Input in(data, size);
  std::uint8_t mode = in.byte();
  std::string text(in.rest());
  Settings settings;
  absl::Status status;
  MasterUrl url;
  switch (mode % 4) {
    case 0: status = settings.readFile(file.hold(text)); break;
    case 1: status = settings.setPair(text, ConfOrigin::kFlag); break;
    case 2: status = parseMasterUrl(text, url); break;
    case 3: {
      auto bytes = parseSize(text, "m");
      auto ms = parseTimeMs(text, "s");
      fuzz::require(!ms || *ms >= 0, "times are not below zero");
      if (bytes) fuzz::require(parseSize(std::to_string(*bytes), "b") == bytes || *bytes > (1ull << 53), "a size is read back");
      parseFlag(text);
    }
  }
  // What the line repeats of the input has its line ends, if any; nothing else may break it in two.
  std::string_view said(status.message().data(), status.message().size());
  fuzz::require(status.ok() || (!said.empty() && (said.find('\n') == said.npos || text.find('\n') != text.npos)), "a refusal is one line");
  for (const auto& [key, value] : settings.all()) fuzz::require(settings.text(key) == value, "a setting is found under its key");
  return 0;
}
