#include "worker/executor/state_table.h"

#include <cstring>

#include "sluice/error.h"

namespace sluice::executor {

void StateRow::append(Buffer& out) const {
  std::uint32_t sizes[2] = {std::uint32_t(key.size()), removed ? 0 : std::uint32_t(value.size()) + 1};
  out.append(sizes, sizeof sizes);
  out.append(&timeMs, sizeof timeMs);
  out.append(key);
  if (!removed) out.append(value);
}

StateRow StateRow::read(const char*& at, const char* end) {
  StateRow row;
  std::uint32_t sizes[2] = {0, 0};
  auto left = std::size_t(end - at);
  if (left >= kHeader) std::memcpy(sizes, at, sizeof sizes);
  std::size_t keyBytes = sizes[0], valueBytes = sizes[1] == 0 ? 0 : sizes[1] - 1;
  if (left < kHeader || keyBytes > left - kHeader || valueBytes > left - kHeader - keyBytes) {
    throwError(ErrorKind::kLost, "the rows of a state end in the middle of an entry");
  }
  std::memcpy(&row.timeMs, at + sizeof sizes, sizeof row.timeMs);
  row.removed = sizes[1] == 0;
  row.key = {at + kHeader, keyBytes};
  row.value = {at + kHeader + keyBytes, valueBytes};
  at += kHeader + keyBytes + valueBytes;
  return row;
}

}  // namespace sluice::executor
