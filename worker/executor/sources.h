// Reading a source's partition: text files and blocks as lines, encoded rows, generated integers.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/operator.h"
#include "worker/executor/file_reader.h"
#include "worker/executor/machine.h"
#include "worker/executor/rows_cursor.h"
#include "worker/executor/task_run.h"
#include "worker/executor/text_lines.h"

namespace sluice::executor {

class SourceCursor final : public Cursor {
 public:
  // `type` of the records that rows are decoded as. A cautious run gets one record in a chunk.
  SourceCursor(const proto::Source& source, const std::vector<TaskInputs::Part>& parts, const TypeDesc* type, TaskRun& run, PinBag& pins);
  ~SourceCursor() override;
  bool next(Chunk& out) override;

  std::uint64_t records() const { return records_; }
  std::uint64_t bytes() const { return bytes_ + (file_ ? file_->bytes() : 0); }
  // Throws if the file that is open became shorter; of the others TaskRun says so at the end.
  void check() const;
  // Where the last chunk's record i was: "record 17 of hdfs.txt:1234"; nothing if there was none. Only before the next call.
  std::string describe(std::size_t i) const;

 private:
  enum class Mode : std::uint8_t { kNone, kFile, kText, kRows, kGenerated };
  bool open();
  void endFile();
  bool nextText(Chunk& out);
  bool nextGenerated(Chunk& out);
  bool lines(Chunk& out, std::size_t n);
  std::string_view* room();
  void openBytes(std::string_view bytes, bool text, std::uint64_t records);

  const proto::Source& source_;
  const std::vector<TaskInputs::Part>& parts_;
  const TypeDesc* type_;
  const std::size_t max_;
  TaskRun& run_;
  PinBag& pins_;
  std::size_t part_ = 0, piece_ = 0;
  const Rows* block_ = nullptr;
  Mode mode_ = Mode::kNone;
  std::unique_ptr<FileReader> file_;
  LineCut text_{};
  std::unique_ptr<RowsDecoder> rows_;
  std::int64_t generated_ = 0;
  std::unique_ptr<std::string_view[]> lines_;
  std::unique_ptr<std::int64_t[]> integers_;
  std::uint64_t records_ = 0, bytes_ = 0, partRecords_ = 0;
  std::size_t lastChunk_ = 0;
};

}  // namespace sluice::executor
