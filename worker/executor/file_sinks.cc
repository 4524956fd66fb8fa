#include "worker/executor/file_sinks.h"

#include <filesystem>

#include "common/compression.h"
#include "common/output_files.h"
#include "worker/executor/object_file.h"
#include "worker/executor/part_file.h"
#include "worker/executor/store.h"

namespace sluice::executor {

namespace {

constexpr std::size_t kFileBufferBytes = 256 << 10;
constexpr std::uint64_t kMostBlockRows = 1 << 20;
static_assert(int(Compression::kGzip) == proto::COMPRESSION_GZIP && int(Compression::kZstd) == proto::COMPRESSION_ZSTD &&
              int(Compression::kLz4) == proto::COMPRESSION_LZ4);

// One record a line.
class TextSink final : public Sink {
 public:
  // `rolling`: will be appended to other parts, so that nothing stays nothing; else an empty part is a whole compressed file too.
  TextSink(const TypeDesc& type, Compression compression, bool rolling, const std::string& directory, const std::string& name)
      : type_(type), file_(directory, name), compressor_(Compressor::make(compression)), rolling_(rolling) {}
  bool write(Chunk in) override {
    auto record = static_cast<const char*>(in.data);
    for (std::size_t i = 0; i < in.size; ++i, record += type_.size) {
      type_.print(record, open_);
      open_.push('\n');
    }
    rows_ += in.size;
    if (open_.size() >= kFileBufferBytes) flush();
    return true;
  }
  void finish(TaskDone& done) override {
    flush();
    if (compressor_ && !(rolling_ && rows_ == 0)) {
      compressor_->finish(compressed_);
      file_.write(compressed_.view());
    }
    file_.finish();
    done.staged = file_.path();
    done.outputRows = rows_, done.outputBytes = file_.bytes();
  }

 private:
  void flush() {
    if (compressor_) {
      compressor_->add(open_.view(), compressed_);
      file_.write(compressed_.view());
      compressed_.clear();
    } else {
      file_.write(open_.view());
    }
    open_.clear();
  }
  const TypeDesc& type_;
  PartFile file_;
  const std::unique_ptr<Compressor> compressor_;  // null: none
  const bool rolling_;
  Buffer open_, compressed_;
  std::uint64_t rows_ = 0;
};

// Encoded rows in blocks.
class ObjectSink final : public Sink {
 public:
  ObjectSink(const TypeDesc& type, const std::string& schema, const std::string& directory, const std::string& name)
      : type_(type), file_(directory, name), writer_(schema, [this](std::string_view bytes) { file_.write(bytes); }) {}
  bool write(Chunk in) override {
    type_.encode(in.data, in.size, open_);
    openRows_ += in.size, rows_ += in.size;
    if (open_.size() >= kPieceBytes || openRows_ + chunkRecords(1) > kMostBlockRows) cut();
    return true;
  }
  void finish(TaskDone& done) override {
    cut();
    writer_.finish();
    file_.finish();
    done.staged = file_.path();
    done.outputRows = rows_, done.outputBytes = file_.bytes();
  }

 private:
  void cut() {
    writer_.add(open_.view(), openRows_);
    open_.clear(), openRows_ = 0;
  }
  const TypeDesc& type_;
  PartFile file_;
  ObjectFileWriter writer_;
  Buffer open_;
  std::uint64_t openRows_ = 0, rows_ = 0;
};

}  // namespace

// Rolled parts are staged in their directory, others beside it, so that they can be renamed into it. Its name is part of this one's: two outputs, or two applications, may
// write into one folder at the same time.
std::string stagingDirectory(const proto::Output& output, const proto::InstanceId& instance) {
  if (output.kind() == proto::OUTPUT_ROLLING) {
    return output.prefix() + "/.sluice-" + std::to_string(instance.generation()) + "-" + std::to_string(instance.when_ms());
  }
  std::filesystem::path final = outputDirectory(output, instance.when_ms());
  std::string parent = final.parent_path().string();
  // Jobs have no owner generation; the application's id keeps two of them apart.
  std::uint64_t owner = instance.when_ms() > 0 ? instance.generation() : instance.app();
  return (parent.empty() ? "." : parent) + "/.sluice-" + std::to_string(owner) + "-" + std::to_string(instance.when_ms()) + "-" +
         final.filename().string();
}

std::unique_ptr<Sink> makeFileSink(const proto::Output& output, const TypeDesc& type, const TaskSpec& spec) {
  std::string directory = stagingDirectory(output, spec.instance);
  std::string name = "o" + std::to_string(output.index()) + "-p" + std::to_string(spec.partition) + "-a" + std::to_string(spec.attempt);
  if (output.format() == proto::FORMAT_OBJECTS) return std::make_unique<ObjectSink>(type, output.schema(), directory, name);
  return std::make_unique<TextSink>(type, Compression(output.compression()), output.kind() == proto::OUTPUT_ROLLING, directory, name);
}

}  // namespace sluice::executor
