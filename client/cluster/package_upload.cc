#include "client/cluster/package_upload.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "common/package_store.h"
#include "common/process.h"

namespace sluice {
namespace {

constexpr std::size_t kPieceBytes = 1 << 20;

}  // namespace

absl::Status PackageUpload::open(const std::vector<std::string>& paths, bool executable, const std::string& className) {
  paths_ = paths;
  package_.set_executable(executable);
  package_.set_class_name(className);
  if (!paths.empty()) package_.set_path(paths[0]);
  for (const auto& path : paths) {
    std::uint64_t hash = 0, size = 0;
    if (auto status = hashFile(path, hash, size); !status.ok()) return status;
    auto* image = package_.add_images();
    image->set_name(path.substr(path.rfind('/') + 1));
    image->set_hash(hash);
    image->set_size(size);
  }
  package_.set_hash(packageHash(package_));
  return absl::OkStatus();
}

void PackageUpload::begin(Link& link) {
  there_.assign(paths_.size(), false);
  told_ = false;
  for (std::size_t i = 0; i < paths_.size(); ++i) sendPiece(link, i, 0, true);
}

void PackageUpload::sendPiece(Link& link, std::size_t file, std::uint64_t offset, bool ask) {
  const auto& image = package_.images(int(file));
  auto [envelope, put] = compose(&proto::Message::mutable_put);
  put->set_hash(image.hash());
  put->set_size(image.size());
  put->set_offset(offset);
  put->set_name(image.name());
  if (!ask) {
    OwnedFd from(::open(paths_[file].c_str(), O_RDONLY | O_CLOEXEC));
    std::string bytes(std::min<std::uint64_t>(kPieceBytes, image.size() - offset), '\0');
    ssize_t n = from ? ::pread(from.get(), bytes.data(), bytes.size(), off_t(offset)) : -1;
    if (n < ssize_t(bytes.size())) {
      error_ = "cannot read " + paths_[file] + " any more" + (n < 0 ? std::string(": ") + std::strerror(errno) : "; it became shorter");
      return;
    }
    envelope->attachments.push_back(Bytes::of(std::move(bytes)));
  }
  link.send(kMasterPeer, envelope);
}

bool PackageUpload::onHave(Link& link, const proto::Have& have) {
  if (!have.error().empty()) {
    error_ = "the master cannot keep the package: " + have.error();
    return false;
  }
  for (std::size_t i = 0; i < paths_.size(); ++i) {
    const auto& image = package_.images(int(i));
    if (image.hash() != have.hash() || there_[i]) continue;
    if (have.up_to() >= image.size()) {
      there_[i] = true;
    } else {
      sendPiece(link, i, have.up_to(), false);
    }
  }
  return !told_ && error_.empty() && (told_ = std::all_of(there_.begin(), there_.end(), [](bool there) { return there; }));
}

}  // namespace sluice
