#include "client/capture_scan.h"

#include <cstdint>
#include <cstdio>
#include <cstring>
#include <memory>
#include <vector>

namespace sluice {
namespace {

constexpr std::uint64_t kLowest = 1ull << 32, kHighest = 1ull << 47, kLargestMapping = 64ull << 30;

struct Mapping {
  std::uint64_t from, to;
  std::string name;
};

std::vector<Mapping> readableMappings() {
  std::vector<Mapping> found;
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> maps(std::fopen("/proc/self/maps", "re"), &std::fclose);
  if (!maps) return found;
  char line[4096];
  while (std::fgets(line, sizeof line, maps.get())) {
    unsigned long long from, to;
    char rights[5];
    int nameAt = 0;
    if (std::sscanf(line, "%llx-%llx %4s %*s %*s %*s %n", &from, &to, rights, &nameAt) < 3) continue;
    if (rights[0] != 'r' || to - from > kLargestMapping) continue;
    std::string name = nameAt ? line + nameAt : "";
    while (!name.empty() && (name.back() == '\n' || name.back() == ' ')) name.pop_back();
    found.push_back({from, to, std::move(name)});
  }
  return found;
}

std::string describe(const Mapping& mapping) {
  if (mapping.name.empty()) return "the driver's memory";
  if (mapping.name == "[heap]") return "the driver's heap";
  if (mapping.name.rfind("[stack", 0) == 0) return "the driver's stack";
  if (mapping.name[0] == '/') return "a constant, global or function of " + mapping.name.substr(mapping.name.rfind('/') + 1);
  return mapping.name;
}

}  // namespace

std::string pointerIn(std::string_view captures) {
  std::vector<Mapping> mappings;
  for (std::size_t at = 0; at + 8 <= captures.size(); at += 8) {
    std::uint64_t word;
    std::memcpy(&word, captures.data() + at, 8);
    if (word < kLowest || word >= kHighest) continue;
    if (mappings.empty()) mappings = readableMappings();
    for (const auto& mapping : mappings) {
      if (word >= mapping.from && word < mapping.to) return describe(mapping);
    }
  }
  return {};
}

}  // namespace sluice
