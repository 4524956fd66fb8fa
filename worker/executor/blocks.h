// Cutting what a receiver takes into blocks. Pure: no clock, no lock.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "common/machine.h"
#include "sluice/buffer.h"

namespace sluice::executor {

// As many '\n' as the text has. Vectorised, it keeps up with memory (a call of memchr a line does not).
SLUICE_INTERNAL std::uint64_t lineEndsIn(std::string_view text);

// A block that nothing is added to any more.
struct CutBlock {
  Buffer bytes;
  std::uint64_t rows = 0;  // of text: lines
  bool text = false;
};

struct BlockLimits {
  std::size_t rowsBytes = 1 << 20;   // a block is cut when it has this much
  std::size_t textBytes = 4 << 20;
  std::size_t lineBytes = 64 << 20;  // a longer line is cut in two
};

// The open block of one source. A source gives either rows or text; text blocks end with a line, and what follows the last '\n' is
// the beginning of the next block.
class SLUICE_INTERNAL BlockBuilder {
 public:
  explicit BlockBuilder(BlockLimits limits = {}) : limits_(limits) {}
  void addRows(std::string_view rows, std::uint64_t n);
  void addText(std::string_view text);
  // Room to read text into, and how much of it was used. Blocks may be cut in between: the room stays where it is.
  char* textSpace(std::size_t atLeast, std::size_t& size);
  void textRead(std::size_t bytes);
  void endText();
  // Ends the open block, unless it is empty (or one incomplete line).
  void cut();
  // What was cut by size or by cut(), in order.
  std::vector<CutBlock> take() { return std::exchange(done_, {}); }
  bool anyDone() const { return !done_.empty(); }
  std::size_t openBytes() const { return rows_.size() + text_.size() - start_; }

 private:
  void cutRows();
  void cutText(std::size_t at);

  const BlockLimits limits_;
  Buffer rows_;
  std::uint64_t rowCount_ = 0;
  Buffer text_;
  std::size_t start_ = 0;     // of what was not cut yet
  std::size_t lines_ = 0;     // up to and with the last '\n'; start_ if there is none
  bool lent_ = false;         // somebody may be reading into the room behind
  std::size_t lastText_ = 0;  // size of the last text block: the next will be like it
  std::vector<CutBlock> done_;
};

// When a source's open block is cut: at each grid time of its stream, which it then seals, and in between at most `blockInterval`
// after the last cut.
class SLUICE_INTERNAL BlockTimes {
 public:
  BlockTimes(std::int64_t nextSealMs, std::int64_t intervalMs, Duration blockInterval, Moment now);
  Moment next() const;
  struct Due {
    bool cut = false;
    std::int64_t sealedMs = 0;  // > 0: nothing more will come for batches up to this time
  };
  Due at(Moment now);

 private:
  std::int64_t nextSealMs_;
  const std::int64_t intervalMs_;
  const Duration blockInterval_;
  Moment nextCut_;
};

}  // namespace sluice::executor
