#include "worker/executor/sources.h"

#include <algorithm>
#include <utility>

#include "sluice/error.h"

namespace sluice::executor {

namespace {
constexpr std::size_t kChunkLines = 1024;
constexpr std::size_t kChunkBytes = 256 << 10;
}  // namespace

SourceCursor::SourceCursor(const proto::Source& source, const std::vector<TaskInputs::Part>& parts, const TypeDesc* type, TaskRun& run,
                           PinBag& pins)
    : source_(source), parts_(parts), type_(type), max_(run.spec().cautious ? 1 : kChunkLines), run_(run), pins_(pins) {}

SourceCursor::~SourceCursor() { endFile(); }

void SourceCursor::endFile() {
  if (!file_) return;
  bytes_ += file_->bytes();
  file_->end();
  run_.lasting().push_back(std::move(file_));
}

std::string_view* SourceCursor::room() {
  if (!lines_) lines_ = std::make_unique<std::string_view[]>(max_);
  return lines_.get();
}

void SourceCursor::openBytes(std::string_view bytes, bool text, std::uint64_t records) {
  if (text) {
    text_ = {bytes.data(), bytes.data() + bytes.size(), bytes.data() + bytes.size(), true};
    mode_ = Mode::kText;
  } else {
    if (!rows_) rows_ = std::make_unique<RowsDecoder>(*type_);
    rows_->start(bytes, records);
    bytes_ += bytes.size();
    mode_ = Mode::kRows;
  }
}

// Opens the next piece of a block, or the next part. False at the end.
bool SourceCursor::open() {
  check();
  for (;;) {
    if (block_ && piece_ < block_->pieces.size()) {
      const Piece& piece = block_->pieces[piece_++];
      Pin pin;
      if (!run_.store().pin(piece.object, pin)) throw InputGone{};
      openBytes(pin.view(), parts_[part_ - 1].input->text(), piece.object->rows());
      pins_.push_back(std::move(pin));
      return true;
    }
    block_ = nullptr;
    if (part_ == parts_.size()) return false;
    const TaskInputs::Part& part = parts_[part_++];
    partRecords_ = lastChunk_ = 0;
    endFile();
    switch (part.input->what_case()) {
      case proto::Input::kFile:
      case proto::Input::kFiles:
        file_ = openFile({source_, *part.input, type_, max_, room(), run_.lastingBytes()});
        mode_ = Mode::kFile;
        return true;
      case proto::Input::kBlock:
        if (!part.block) throw InputGone{};
        block_ = part.block.get(), piece_ = 0;
        continue;
      case proto::Input::kRows: openBytes(part.input->rows(), part.input->text(), part.input->records()); return true;
      case proto::Input::kGenerated:
        generated_ = part.input->generated().from();
        mode_ = Mode::kGenerated;
        return true;
      case proto::Input::WHAT_NOT_SET: continue;
    }
  }
}

bool SourceCursor::lines(Chunk& out, std::size_t n) {
  out = {lines_.get(), n};
  return n != 0;
}

bool SourceCursor::nextText(Chunk& out) {
  const char* before = text_.at;
  std::size_t n = cutLines(text_, room(), max_, kChunkBytes);
  bytes_ += std::uint64_t(text_.at - before);
  return lines(out, n);
}

bool SourceCursor::nextGenerated(Chunk& out) {
  if (!integers_) integers_ = std::make_unique<std::int64_t[]>(max_);
  const auto& range = parts_[part_ - 1].input->generated();
  std::int64_t step = range.step() == 0 ? 1 : range.step();
  std::size_t n = 0;
  while (n < max_ && (step > 0 ? generated_ < range.to() : generated_ > range.to())) {
    integers_[n++] = generated_;
    if (__builtin_add_overflow(generated_, step, &generated_)) generated_ = range.to();
  }
  out = {integers_.get(), n};
  return n != 0;
}

bool SourceCursor::next(Chunk& out) {
  for (;;) {
    bool got = false;
    switch (mode_) {
      case Mode::kNone: break;
      case Mode::kFile: got = file_->next(out); break;
      case Mode::kText: got = nextText(out); break;
      case Mode::kRows: got = rows_->next(out, max_); break;
      case Mode::kGenerated: got = nextGenerated(out); break;
    }
    if (got) {
      records_ += out.size, partRecords_ += out.size, lastChunk_ = out.size;
      return true;
    }
    if (!open()) return false;
  }
}

void SourceCursor::check() const {
  if (file_) file_->check();
}

std::string SourceCursor::describe(std::size_t i) const {
  if (lastChunk_ == 0) return {};
  const proto::Input& input = *parts_[part_ - 1].input;
  std::string text = "record " + std::to_string(partRecords_ - lastChunk_ + i + 1) + " of ";
  switch (input.what_case()) {
    case proto::Input::kFile:
    case proto::Input::kFiles: return text + (file_ ? file_->place(i) : "the source's partition");
    case proto::Input::kBlock:
      return text + "block " + std::to_string(input.block().incarnation()) + "." + std::to_string(input.block().sequence());
    default: return text + "the source's partition";
  }
}

}  // namespace sluice::executor
