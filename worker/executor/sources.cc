#include "worker/executor/sources.h"

#include <algorithm>
#include <utility>

#include "sluice/error.h"

namespace sluice::executor {

namespace {
constexpr std::size_t kChunkLines = 1024;
constexpr std::size_t kChunkBytes = 256 << 10;
}  // namespace

SourceCursor::SourceCursor(const std::vector<TaskInputs::Part>& parts, const TypeDesc* type, bool cautious, Store& store,
                           PinBag& pins)
    : parts_(parts), type_(type), max_(cautious ? 1 : kChunkLines), store_(store), pins_(pins) {}

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
  for (;;) {
    if (block_ && piece_ < block_->pieces.size()) {
      const Piece& piece = block_->pieces[piece_++];
      Pin pin;
      if (!store_.pin(piece.object, pin)) throw InputGone{};
      openBytes(pin.view(), parts_[part_ - 1].input->text(), piece.object->rows());
      pins_.push_back(std::move(pin));
      return true;
    }
    block_ = nullptr;
    if (part_ == parts_.size()) return false;
    const TaskInputs::Part& part = parts_[part_++];
    partRecords_ = 0;
    switch (part.input->what_case()) {
      case proto::Input::kFile: {
        const auto& file = part.input->file();
        files_.push_back(std::make_unique<MappedText>(file.path(), file.from(), file.to()));
        mode_ = Mode::kFile;
        return true;
      }
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

bool SourceCursor::nextFile(Chunk& out) {
  if (!lines_) lines_ = std::make_unique<std::string_view[]>(max_);
  MappedText& file = *files_.back();
  const char* before = file.at();
  std::size_t n = file.next(lines_.get(), max_, kChunkBytes);
  bytes_ += std::uint64_t(file.at() - before);
  return lines(out, n);
}

bool SourceCursor::nextText(Chunk& out) {
  if (!lines_) lines_ = std::make_unique<std::string_view[]>(max_);
  const char* before = text_.at;
  std::size_t n = cutLines(text_, lines_.get(), max_, kChunkBytes);
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
      case Mode::kFile: got = nextFile(out); break;
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

std::string SourceCursor::describe(std::size_t i) const {
  if (part_ == 0) return {};
  const proto::Input& input = *parts_[part_ - 1].input;
  std::string text = "record " + std::to_string(partRecords_ - lastChunk_ + i + 1) + " of ";
  switch (input.what_case()) {
    case proto::Input::kFile:
      return text + input.file().path() + ":" + std::to_string(files_.back()->offsetOf(lines_[i].data()));
    case proto::Input::kBlock:
      return text + "block " + std::to_string(input.block().incarnation()) + "." + std::to_string(input.block().sequence());
    default: return text + "the source's partition";
  }
}

}  // namespace sluice::executor
