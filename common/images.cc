#include "common/images.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <link.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>
#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

#include <cstring>
#include <functional>

#include "common/module_file.h"
#include "common/package_store.h"
#include "sluice/error.h"

namespace sluice {
namespace {

std::string baseName(const std::string& path) { return path.substr(path.rfind('/') + 1); }

std::string executablePath() {
  char path[4096];
  ssize_t n = ::readlink("/proc/self/exe", path, sizeof path);
  return n > 0 ? std::string(path, std::size_t(n)) : "/proc/self/exe";
}

ImageTable::Image imageOf(const dl_phdr_info& info) {
  ImageTable::Image image;
  image.path = info.dlpi_name && *info.dlpi_name ? info.dlpi_name : executablePath();
  image.name = baseName(image.path);
  image.base = info.dlpi_addr;
  for (int i = 0; i < info.dlpi_phnum; ++i) {
    const auto& header = info.dlpi_phdr[i];
    if (header.p_type != PT_LOAD) continue;
    ImageTable::Segment segment{info.dlpi_addr + header.p_vaddr, info.dlpi_addr + header.p_vaddr + header.p_memsz};
    image.whole.push_back(segment);
    if ((header.p_flags & PF_R) && !(header.p_flags & PF_X)) image.data.push_back(segment);
  }
  return image;
}

void eachLoaded(const std::function<void(const dl_phdr_info&)>& visit) {
  dl_iterate_phdr(
      [](dl_phdr_info* info, std::size_t, void* f) {
        (*static_cast<const std::function<void(const dl_phdr_info&)>*>(f))(*info);
        return 0;
      },
      const_cast<void*>(static_cast<const void*>(&visit)));
}

bool inside(const std::vector<ImageTable::Segment>& segments, std::uintptr_t from, std::size_t size) {
  for (const auto& s : segments) {
    if (from >= s.from && from < s.to && size <= s.to - from) return true;
  }
  return false;
}

// Whether the loaded object names libsluice among the libraries it needs.
bool needsSluice(const dl_phdr_info& info) {
  for (int i = 0; i < info.dlpi_phnum; ++i) {
    if (info.dlpi_phdr[i].p_type != PT_DYNAMIC) continue;
    const auto* dynamic = reinterpret_cast<const ElfW(Dyn)*>(info.dlpi_addr + info.dlpi_phdr[i].p_vaddr);
    const char* names = nullptr;
    for (const auto* d = dynamic; d->d_tag != DT_NULL; ++d) {
      if (d->d_tag == DT_STRTAB) names = reinterpret_cast<const char*>(d->d_un.d_ptr < info.dlpi_addr ? d->d_un.d_ptr + info.dlpi_addr : d->d_un.d_ptr);
    }
    for (const auto* d = dynamic; names && d->d_tag != DT_NULL; ++d) {
      if (d->d_tag == DT_NEEDED && std::strncmp(names + d->d_un.d_val, "libsluice.so", 12) == 0) return true;
    }
  }
  return false;
}

bool isOurs(const std::string& name) {
  return name.rfind("libsluice_cluster.so", 0) == 0 || name.rfind("libsluice_rocksdb.so", 0) == 0;
}

// dlopen runs the module's static initialisers, and one linked with -ffast-math changes how this thread computes.
void* open(const std::string& path) {
#if defined(__x86_64__)
  unsigned control = _mm_getcsr();
#endif
  void* handle = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
#if defined(__x86_64__)
  _mm_setcsr(control);
#endif
  return handle;
}

absl::Status cannotLoad(const std::string& path) {
  const char* why = ::dlerror();
  return absl::InvalidArgumentError("cannot load " + path + ": " + (why ? why : "unknown reason"));
}

bool imageOfHandle(void* handle, ImageTable::Image& image) {
  link_map* map = nullptr;
  if (::dlinfo(handle, RTLD_DI_LINKMAP, &map) != 0) return false;
  bool found = false;
  eachLoaded([&](const dl_phdr_info& info) {
    if (found || info.dlpi_addr != map->l_addr || !info.dlpi_name || std::strcmp(info.dlpi_name, map->l_name) != 0) return;
    image = imageOf(info), found = true;
  });
  return found;
}

// The file's bytes in memory under another identity, so that the loader takes it for another library.
absl::Status copyOfFile(const std::string& path, int& fd) {
  int from = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (from < 0) return absl::NotFoundError("cannot read " + path + ": " + std::strerror(errno));
  struct stat facts {};
  ::fstat(from, &facts);
  fd = ::memfd_create(baseName(path).substr(0, 200).c_str(), MFD_CLOEXEC);
  off_t at = 0;
  while (fd >= 0 && at < facts.st_size) {
    if (::sendfile(fd, from, &at, std::size_t(facts.st_size - at)) <= 0) break;
  }
  ::close(from);
  if (fd >= 0 && at == facts.st_size) return absl::OkStatus();
  if (fd >= 0) ::close(fd);
  return absl::ResourceExhaustedError("cannot copy " + path + " into memory: " + std::strerror(errno));
}

}  // namespace

ImageTable::ImageTable() {
  auto here = reinterpret_cast<std::uintptr_t>(&throwError);
  images_.emplace_back();
  eachLoaded([&](const dl_phdr_info& info) {
    Image image = imageOf(info);
    if (inside(image.whole, here, 1)) images_[0] = std::move(image);
  });
}

std::shared_ptr<ImageTable> ImageTable::ofExecutable() {
  std::shared_ptr<ImageTable> table(new ImageTable);
  bool first = true;
  eachLoaded([&](const dl_phdr_info& info) {
    bool executable = std::exchange(first, false);
    if (!executable && !needsSluice(info)) return;
    Image image = imageOf(info);
    if (image.base == table->images_[0].base || isOurs(image.name)) return;
    table->images_.push_back(std::move(image));
  });
  return table;
}

absl::Status ImageTable::load(const std::vector<std::string>& paths, std::shared_ptr<ImageTable>& table) {
  std::shared_ptr<ImageTable> made(new ImageTable);
  for (std::size_t i = 0; i < paths.size(); ++i) {
    if (i == 0) {
      if (auto status = checkModuleFile(paths[0]); !status.ok()) return status;
    }
    void* handle = open(paths[i]);
    if (!handle) return cannotLoad(paths[i]);
    Image image;
    if (!imageOfHandle(handle, image)) return absl::InternalError("cannot find " + paths[i] + " among the loaded libraries");
    image.name = baseName(paths[i]);
    made->images_.push_back(std::move(image));
  }
  table = std::move(made);
  return absl::OkStatus();
}

absl::Status ImageTable::secondCopy(std::shared_ptr<ImageTable>& table) const {
  std::shared_ptr<ImageTable> made(new ImageTable);
  for (std::size_t i = 1; i < images_.size(); ++i) {
    made->images_.push_back(images_[i]);
    if (i > 1) continue;  // libraries that the module links are found by their names, and stay the same
    int fd = -1;
    if (auto status = copyOfFile(images_[1].path, fd); !status.ok()) return status;
    std::string path = "/proc/self/fd/" + std::to_string(fd);
    void* handle = open(path);
    absl::Status status = handle ? absl::OkStatus() : cannotLoad(images_[1].path);
    if (handle && !imageOfHandle(handle, made->images_.back())) status = absl::InternalError("cannot find the second copy of " + images_[1].path);
    ::close(fd);
    if (!status.ok()) return status;
    made->images_.back().name = images_[1].name;
    made->images_.back().path = images_[1].path;
  }
  table = std::move(made);
  return absl::OkStatus();
}

bool ImageTable::locate(const void* descriptor, proto::Code& code) const {
  std::lock_guard lock(mutex_);
  if (auto it = known_.find(descriptor); it != known_.end()) {
    code.set_image(it->second.first), code.set_offset(it->second.second);
    return true;
  }
  auto address = reinterpret_cast<std::uintptr_t>(descriptor);
  for (std::size_t i = 0; i < images_.size(); ++i) {
    if (!inside(images_[i].data, address, 8)) continue;
    code.set_image(std::uint32_t(i)), code.set_offset(address - images_[i].base);
    known_[descriptor] = {std::uint32_t(i), address - images_[i].base};
    return true;
  }
  return false;
}

const void* ImageTable::resolve(std::uint32_t image, std::uint64_t offset, std::uint64_t magic, absl::Status& status) const {
  std::string where = "descriptor at (" + std::to_string(image) + ", " + std::to_string(offset) + ")";
  if (image >= images_.size()) {
    status = absl::InvalidArgumentError(where + ": the package has no such image; driver and executor run different packages");
    return nullptr;
  }
  std::size_t size = magic == OpDesc::kMagic ? sizeof(OpDesc) : magic == TypeDesc::kMagic ? sizeof(TypeDesc) : sizeof(ReceiverDesc);
  const Image& in = images_[image];
  std::uintptr_t address = in.base + offset;
  const auto* found = reinterpret_cast<const void*>(address);
  if (address < in.base || address % alignof(OpDesc) != 0 || !inside(in.data, address, size)) {
    status = absl::InvalidArgumentError(where + " lies outside the data of " + in.name + "; driver and executor run different files");
    return nullptr;
  }
  if (std::memcmp(found, &magic, sizeof magic) != 0) {
    status = absl::InvalidArgumentError(where + " of " + in.name + " is no descriptor of that kind; driver and executor run different files");
    return nullptr;
  }
  status = absl::OkStatus();
  return found;
}

std::uint64_t ImageTable::hash(std::size_t image) const {
  if (image == 0) return 0;
  std::lock_guard lock(mutex_);
  hashes_.resize(images_.size()), hashed_.resize(images_.size());
  if (!hashed_[image]) {
    std::uint64_t size = 0;
    hashFile(images_[image].path, hashes_[image], size).IgnoreError();
    hashed_[image] = true;
  }
  return hashes_[image];
}

bool ImageTable::holds(std::size_t image, const void* address) const {
  return image < images_.size() && inside(images_[image].whole, reinterpret_cast<std::uintptr_t>(address), 1);
}

std::string ImageTable::fileOf(const void* address) {
  Dl_info info{};
  if (::dladdr(address, &info) == 0 || !info.dli_fname) return "no file";
  return baseName(info.dli_fname);
}

}  // namespace sluice
