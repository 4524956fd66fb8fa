// The end of RocksDB's log, which is read before RocksDB opens it.
#include <filesystem>
#include <fstream>

#include "common/rocksdb/wal_tail.h"
#include "tests/fuzz/fuzz.h"

using namespace sluice;  // NOLINT

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static std::string directory = [] {
    std::string made = std::filesystem::temp_directory_path().string() + "/sluice-fuzz-XXXXXX";
    fuzz::require(::mkdtemp(made.data()) != nullptr, "there is a temporary folder");
    return made;
  }();
  static struct Remove {
    ~Remove() { std::filesystem::remove_all(directory); }
  } remove;
  // Beginning near the end of a block, so that short inputs reach the next one.
  fuzz::Input in(data, size);
  std::string before(in.byte() % 2 ? 0 : (32 << 10) - 64 - 7, 'x');
  std::string log;
  if (!before.empty()) log = std::string(4, '\0') + char(before.size() & 255) + char(before.size() >> 8) + '\1' + before;
  log += in.rest();
  std::ofstream(directory + "/000004.log", std::ios::binary) << log;
  fuzz::require(tornTailBytes(directory) <= log.size(), "a tail is part of the log");
  return 0;
}
