// The word count that a good engineer would write by hand for this one job: threads over halves of the text, memchr, one Abseil
// table each, merged at the end. What the engine is measured against.
#pragma once
#include <string_view>

#include "absl/container/flat_hash_map.h"

namespace sluice::bench {

using WordCounts = absl::flat_hash_map<std::string_view, long>;

// Counts the words of lines separated by '\n', words separated by ' ', into views of `text`.
WordCounts countWords(std::string_view text, int threads);

}  // namespace sluice::bench
