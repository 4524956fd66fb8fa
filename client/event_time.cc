#include "sluice/event_time.h"

#include <algorithm>

namespace sluice {
inline namespace SLUICE_ABI {
namespace ops {

void Watermark::see(const SourceTime& source) {
  auto at = std::lower_bound(sources_.begin(), sources_.end(), source.source, [](const SourceTime& s, const std::string& name) { return s.source < name; });
  if (at == sources_.end() || at->source != source.source) {
    sources_.insert(at, source);
  } else {
    at->maxMs = std::max(at->maxMs, source.maxMs), at->seenMs = std::max(at->seenMs, source.seenMs);
  }
}

void Watermark::advance(std::int64_t batchMs, std::int64_t boundMs, std::int64_t idleMs) {
  beforeMs_ = nowMs_;
  std::int64_t least = kNone;
  for (const auto& source : sources_) {
    if (idleMs > 0 && batchMs - source.seenMs > idleMs) continue;
    least = least == kNone ? source.maxMs : std::min(least, source.maxMs);
  }
  if (least != kNone) nowMs_ = std::max(nowMs_, least - boundMs);
}

}  // namespace ops
}  // inline namespace SLUICE_ABI
}  // namespace sluice
