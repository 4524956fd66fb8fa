// Few large files out of the parts of many batches: each batch's parts are appended to the directory's open file, which gets its last name
// when it is large or old enough. worker/README.md has the layout, and why a repeated batch changes nothing.
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "proto/link.pb.h"
#include "sluice/abi.h"

namespace sluice::executor {

// What is known of a directory of rolled files: who writes there, and up to where the open file is good. Pure.
struct SLUICE_INTERNAL RollingRecord {
  // The open file as a batch left it.
  struct Mark {
    std::string file;         // its last name; empty: none was open
    std::int64_t firstMs = 0;  // of its first batch
    std::int64_t bytes = 0;
    friend bool operator==(const Mark&, const Mark&) = default;
  };
  std::string owner;
  std::int64_t begunMs = 0;
  std::map<std::int64_t, Mark> marks;  // by batch, as far back as a run may be restored
  std::vector<std::string> finished;   // by the last batch: to be given their last names, if that was not done

  Mark open() const { return marks.empty() ? Mark() : marks.rbegin()->second; }
  std::int64_t lastMs() const { return marks.empty() ? 0 : marks.rbegin()->first; }
  std::string text() const;
  // kDataLoss if the text is not whole.
  static absl::Status parse(std::string_view text, RollingRecord& record);
};

// Where a batch's parts go.
struct RollingPlan {
  struct Piece {
    std::size_t part;  // index of the staged part
    std::string file;
  };
  std::vector<Piece> pieces;
  std::vector<std::string> finished;  // in order
  RollingRecord::Mark open;           // afterwards
};
// A function of the record, the batch's time and the sizes of its parts alone. A part is never cut; empty ones are left out.
SLUICE_INTERNAL RollingPlan planRolling(const RollingRecord::Mark& open, const proto::Publish::Rolling& rolling, std::int64_t whenMs,
                                        const std::vector<std::int64_t>& partBytes);

// Appends the batch, on the disk when it returns. May be repeated, also by another executor after the first did half of it. Throws
// Error(kUnavailable); kIllegalState if the directory is another stream's.
SLUICE_INTERNAL void appendRolling(const proto::Publish::Rolling& rolling, std::int64_t whenMs);

}  // namespace sluice::executor
