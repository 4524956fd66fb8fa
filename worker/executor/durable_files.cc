#include "worker/executor/durable_files.h"

#include <fcntl.h>
#include <unistd.h>
#define XXH_STATIC_LINKING_ONLY
#include <xxhash.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <set>

#include "sluice/error.h"
#include "worker/executor/directories.h"
#include "worker/executor/published_files.h"
#include "worker/executor/rows_format.h"

namespace sluice::executor {

namespace {

constexpr std::string_view kStateMagic = "SLSTATE1";
constexpr std::uint32_t kStateVersion = 1;

// A file under a temporary name until it is whole.
class NewFile {
 public:
  explicit NewFile(std::string path) : path_(std::move(path)), temporary_(path_ + ".tmp") {
    fd_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd_ < 0) throwErrno("cannot create", temporary_);
    XXH3_64bits_reset(&sum_);
  }
  ~NewFile() {
    if (fd_ >= 0) ::close(fd_), ::unlink(temporary_.c_str());
  }
  NewFile(const NewFile&) = delete;
  void write(std::string_view bytes) {
    XXH3_64bits_update(&sum_, bytes.data(), bytes.size());
    size_ += bytes.size();
    while (!bytes.empty()) {
      ssize_t n = ::write(fd_, bytes.data(), bytes.size());
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) throwErrno("cannot write", temporary_);
      bytes.remove_prefix(std::size_t(n));
    }
  }
  void finish() {
    if (::fsync(fd_) != 0) throwErrno("cannot sync", temporary_);
    ::close(std::exchange(fd_, -1));
    if (::rename(temporary_.c_str(), path_.c_str()) != 0) throwErrno("cannot name", path_);
  }
  std::uint64_t size() const { return size_; }
  std::uint64_t checksum() const { return XXH3_64bits_digest(&sum_); }

 private:
  const std::string path_, temporary_;
  int fd_ = -1;
  std::uint64_t size_ = 0;
  XXH3_state_t sum_;
};

std::string readWhole(const std::string& path) {
  int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) throwError(ErrorKind::kLost, "cannot read " + path + ": " + std::strerror(errno));
  std::string bytes;
  char part[64 << 10];
  ssize_t n;
  while ((n = ::read(fd, part, sizeof(part))) > 0 || (n < 0 && errno == EINTR)) {
    if (n > 0) bytes.append(part, std::size_t(n));
  }
  ::close(fd);
  if (n < 0) throwError(ErrorKind::kLost, "cannot read " + path + ": " + std::strerror(errno));
  return bytes;
}

bool isStateful(const PlanTemplate& plan, std::uint32_t node) {
  const OpDesc* op = plan.codeOf(node).op;
  return op && op->form == OpDesc::Form::kStateful;
}

}  // namespace

StateFile writeStateFile(const std::string& path, std::string_view typeName, const Rows& rows, Store& store) {
  makeDirectories(parentOf(path));
  NewFile file(path);
  Buffer frame;
  frame.append(kStateMagic);
  frame.append(&kStateVersion, sizeof(kStateVersion));
  appendFrame(typeName, 0, frame);
  file.write(frame.view());
  for (const Piece& piece : rows.pieces) {
    Pin pin;
    if (!store.pin(piece.object, pin)) throwError(ErrorKind::kLost, "a state partition was dropped");
    frame.clear();
    appendFrame(pin.view(), piece.object->rows(), frame);
    file.write(frame.view());
  }
  file.finish();
  return {file.size(), file.checksum(), rows.rows};
}

RowsPtr readStateFile(const std::string& path, const StateFile& expected, std::string_view typeName, Store& store) {
  std::string bytes = readWhole(path);
  auto damaged = [&](const std::string& why) { throwError(ErrorKind::kLost, "the checkpoint file " + path + " " + why); };
  if (bytes.size() != expected.bytes || XXH3_64bits(bytes.data(), bytes.size()) != expected.checksum) {
    damaged("is not what was written (size or checksum)");
  }
  std::string_view left = bytes;
  std::uint32_t version = 0;
  if (left.substr(0, kStateMagic.size()) != kStateMagic || left.size() < kStateMagic.size() + sizeof(version)) damaged("is none of ours");
  std::memcpy(&version, left.data() + kStateMagic.size(), sizeof(version));
  if (version != kStateVersion) damaged("was written by another version");
  left.remove_prefix(kStateMagic.size() + sizeof(version));
  auto rows = std::make_shared<Rows>();
  for (bool first = true; !left.empty(); first = false) {
    FrameHeader header;
    if (left.size() < sizeof(header)) damaged("is cut short");
    std::memcpy(&header, left.data(), sizeof(header));
    if (header.stored > left.size() - sizeof(header)) damaged("is cut short");
    Buffer plain;
    std::uint64_t count = 0;
    absl::Status status = readFrame(left.substr(0, sizeof(header) + header.stored), plain, count);
    if (!status.ok()) damaged(std::string(status.message()));
    left.remove_prefix(sizeof(header) + header.stored);
    if (!first) {
      rows->add({store.put(ObjectKind::kState, Bytes::of(std::move(plain)), count)});
    } else if (!typeName.empty() && plain.view() != typeName) {
      damaged("holds " + std::string(plain.view()) + ", and the state is " + std::string(typeName) + " now");
    }
  }
  if (rows->rows != expected.rows) damaged("has a wrong number of rows");
  return rows;
}

void DurableFiles::onPublish(const proto::Publish& publish) {
  auto request = std::make_shared<const proto::Publish>(publish);
  auto error = std::make_shared<std::string>();
  control_.background(
      [request, error] {
        try {
          publishFiles(*request);
        } catch (const Error& failure) {
          *error = failure.what();
        }
      },
      [this, request, error] {
        auto [envelope, published] = compose(&proto::Message::mutable_published);
        *published->mutable_instance() = request->instance();
        std::set<std::uint32_t> outputs;
        for (const auto& file : request->files()) outputs.insert(file.output());
        for (const auto& rolling : request->rolling()) outputs.insert(rolling.output());
        for (std::uint32_t output : outputs) published->add_outputs(output);
        published->set_error(*error);
        published->set_executor(control_.options.executor.value);
        control_.send(kMasterPeer, std::move(envelope));
      });
}

void DurableFiles::onTakeCheckpoint(const proto::TakeCheckpoint& take) {
  struct Part {
    proto::CheckpointFile file;
    std::string typeName;
    RowsPtr rows;
  };
  auto parts = std::make_shared<std::vector<Part>>();
  auto error = std::make_shared<std::string>();
  for (int i = 0; i < take.nodes_size() && i < take.partitions_size(); ++i) {
    Part part;
    part.file.set_node(take.nodes(i)), part.file.set_partition(take.partitions(i));
    part.rows = values_.version(take.nodes(i), take.when_ms(), take.partitions(i));
    if (part.rows && part.rows->state) part.rows = part.rows->state;
    if (!part.rows) *error = "state partition " + std::to_string(take.partitions(i)) + " of node " + std::to_string(take.nodes(i)) + " is not here";
    if (auto plan = templates_.withNode(take.nodes(i))) {
      part.file.set_uid(plan->view.node(take.nodes(i)).uid());
      part.typeName = plan->view.node(take.nodes(i)).state_type_name();
      part.file.set_stateful(isStateful(*plan, take.nodes(i))), part.file.set_type_name(part.typeName);
    }
    part.file.set_name("state-" + std::to_string(take.when_ms()) + "-" + std::to_string(take.nodes(i)) + "-" +
                       std::to_string(take.partitions(i)) + "-" + std::to_string(control_.options.executor.value) + ".rows");
    parts->push_back(std::move(part));
  }
  auto reply = [this, parts, error, app = take.app(), stream = take.stream(), when = take.when_ms()] {
    auto [envelope, written] = compose(&proto::Message::mutable_checkpoint_written);
    written->set_app(app), written->set_stream(stream), written->set_when_ms(when);
    written->set_executor(control_.options.executor.value);
    written->set_error(*error);
    if (error->empty()) {
      for (Part& part : *parts) *written->add_files() = std::move(part.file);
    }
    control_.send(kMasterPeer, std::move(envelope));
  };
  if (!error->empty()) return reply();
  control_.background(
      [parts, error, directory = take.directory(), &store = control_.store()] {
        try {
          for (Part& part : *parts) {
            StateFile file = writeStateFile(directory + "/" + part.file.name(), part.typeName, *part.rows, store);
            part.file.set_bytes(file.bytes), part.file.set_checksum(file.checksum), part.file.set_rows(file.rows);
          }
          syncDirectory(directory);
        } catch (const Error& failure) {
          *error = failure.what();
        }
      },
      std::move(reply));
}

void DurableFiles::onRestore(const proto::Restore& restore) {
  auto request = std::make_shared<const proto::Restore>(restore);
  auto found = std::make_shared<std::vector<RowsPtr>>();
  auto error = std::make_shared<std::string>();
  control_.background(
      [request, found, error, &store = control_.store()] {
        try {
          for (int i = 0; i < request->files_size(); ++i) {
            const auto& file = request->files(i);
            found->push_back(readStateFile(request->directory() + "/" + file.name(), {file.bytes(), file.checksum(), file.rows()},
                                           file.type_name(), store));
            if (store.over()) store.makeRoom();
          }
        } catch (const Error& failure) {
          *error = failure.what();
        }
      },
      [this, request, found, error] {
        auto [envelope, restored] = compose(&proto::Message::mutable_restored);
        restored->set_app(request->app()), restored->set_when_ms(request->when_ms());
        restored->set_executor(control_.options.executor.value);
        restored->set_error(*error);
        for (std::size_t i = 0; error->empty() && i < found->size(); ++i) {
          const auto& file = request->files(int(i));
          RowsPtr rows = (*found)[i];
          if (file.stateful()) {
            auto version = std::make_shared<Rows>();  // of its records nothing is asked any more
            version->state = std::move(rows);
            rows = std::move(version);
          }
          values_.keep({file.node(), request->when_ms(), file.partition()}, std::move(rows));
          *restored->add_files() = file;
        }
        control_.send(kMasterPeer, std::move(envelope));
      });
}

}  // namespace sluice::executor
