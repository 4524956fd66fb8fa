// Files that somebody submits as an application: whatever they are, a line says what is wrong.
#include "common/module_file.h"
#include "tests/fuzz/fuzz.h"

using namespace sluice;  // NOLINT

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static fuzz::MemoryFile file;
  std::string path = file.hold({reinterpret_cast<const char*>(data), size});
  auto status = checkModuleFile(path);
  fuzz::require(status.ok() || !status.message().empty(), "a refusal says why");
  isLibraryFile(path);
  isExecutableFile(path);
  return 0;
}
