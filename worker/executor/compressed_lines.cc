// Lines of a compressed file. It is read from its beginning to its end: there is no way into its middle.
#include <algorithm>
#include <cstring>

#include "worker/executor/compressed_file.h"
#include "worker/executor/file_reader.h"
#include "worker/executor/lasting_bytes.h"
#include "worker/executor/text_lines.h"

namespace sluice::executor {

namespace {

constexpr std::size_t kChunkBytes = 256 << 10;
constexpr std::size_t kFirstWindow = 64 << 10, kWindow = 1 << 20;

// The text is made in windows, which last as long as the task; a line that does not end in its window begins the next one.
class CompressedLines final : public FileReader {
 public:
  CompressedLines(const FileReading& reading, Compression compression) : reading_(reading), file_(reading.input.file().path(), compression) {}

  bool next(Chunk& out) override {
    for (;;) {
      out = {reading_.lines, cutLines(cut_, reading_.lines, reading_.most, kChunkBytes)};
      if (out.size != 0) return true;
      if (cut_.whole) return false;
      fill();
    }
  }
  void end() override {
    if (window_) reading_.lasting.cool(window_);
  }
  std::uint64_t bytes() const override { return file_.bytes(); }
  std::string place(std::size_t) const override { return file_.path(); }

 private:
  void fill() {
    if (cut_.end == window_ + room_) {
      std::size_t tail = std::size_t(cut_.end - cut_.at);
      std::size_t room = std::max(window_ ? kWindow : kFirstWindow, 2 * tail);
      char* fresh = reading_.lasting.take(room);
      if (tail != 0) std::memcpy(fresh, cut_.at, tail);
      if (window_) reading_.lasting.cool(window_);
      window_ = fresh, room_ = room;
      cut_.at = fresh, cut_.end = fresh + tail;
    }
    char* to = window_ + (cut_.end - window_);
    std::size_t made = file_.read(to, std::size_t(window_ + room_ - to));
    cut_.end += made;
    cut_.startLimit = cut_.end;
    cut_.whole = made == 0;
  }

  const FileReading reading_;
  CompressedFile file_;
  char* window_ = nullptr;
  std::size_t room_ = 0;
  LineCut cut_{nullptr, nullptr, nullptr, false};
};

}  // namespace

std::unique_ptr<FileReader> openCompressedLines(const FileReading& reading, Compression compression) {
  return std::make_unique<CompressedLines>(reading, compression);
}

}  // namespace sluice::executor
