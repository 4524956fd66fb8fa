#include "master/printed.h"

#include <algorithm>

namespace sluice::master {

std::string printedBatch(std::int64_t whenMs, const std::vector<proto::Result>& parts, std::uint32_t limit) {
  const std::string dashes(43, '-');
  std::string text = dashes + "\nTime: " + std::to_string(whenMs) + " ms\n" + dashes + "\n";
  std::uint32_t printed = 0;
  bool more = false;
  for (const auto& part : parts) {
    std::uint64_t rows = std::max<std::uint64_t>(part.rows(), std::uint64_t(part.lines_size()));
    for (const auto& line : part.lines()) {
      if (printed == limit) break;
      text += line;
      text += '\n';
      ++printed, --rows;
    }
    more |= rows > 0;
  }
  if (more) text += "...\n";
  return text + "\n";
}

}  // namespace sluice::master
