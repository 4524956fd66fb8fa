#include "common/module_file.h"

#include <elf.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string_view>
#include <vector>

namespace sluice {
namespace {

// The file's bytes, mapped while it lives.
class MappedFile {
 public:
  ~MappedFile() {
    if (data_) ::munmap(data_, size_);
  }
  absl::Status open(const std::string& path) {
    int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
      int why = errno;
      std::string line = why == ENOENT ? "no such file: " + path + " (give the path of the application's shared library)"
                                       : "cannot read " + path + ": " + std::strerror(why);
      return why == ENOENT ? absl::NotFoundError(line) : absl::PermissionDeniedError(line);
    }
    struct stat facts {};
    bool regular = ::fstat(fd, &facts) == 0 && S_ISREG(facts.st_mode);
    if (regular && facts.st_size > 0) {
      void* at = ::mmap(nullptr, std::size_t(facts.st_size), PROT_READ, MAP_PRIVATE, fd, 0);
      if (at != MAP_FAILED) data_ = at, size_ = std::size_t(facts.st_size);
    }
    ::close(fd);
    if (!regular) return absl::InvalidArgumentError(path + " is no file (give the path of the application's shared library)");
    return absl::OkStatus();
  }
  std::string_view bytes() const { return {static_cast<const char*>(data_), size_}; }
  // A structure at this offset, if it lies within the file.
  template <class T> bool read(std::uint64_t at, T& to) const {
    if (at > size_ || size_ - at < sizeof(T)) return false;
    std::memcpy(&to, static_cast<const char*>(data_) + at, sizeof(T));
    return true;
  }

 private:
  void* data_ = nullptr;
  std::size_t size_ = 0;
};

#if defined(__x86_64__)
constexpr std::uint16_t kMachine = EM_X86_64;
#elif defined(__aarch64__)
constexpr std::uint16_t kMachine = EM_AARCH64;
#else
constexpr std::uint16_t kMachine = EM_NONE;
#endif

std::string firstBytes(std::string_view bytes) {
  std::string shown;
  for (char c : bytes.substr(0, 8)) shown += c >= 32 && c < 127 ? c : '.';
  return shown;
}

absl::Status readHeader(const MappedFile& file, const std::string& path, Elf64_Ehdr& header) {
  std::string_view bytes = file.bytes();
  if (bytes.size() < SELFMAG || std::memcmp(bytes.data(), ELFMAG, SELFMAG) != 0) {
    std::string what = bytes.empty() ? "is empty" : "begins with \"" + firstBytes(bytes) + "\"";
    return absl::InvalidArgumentError(path + " is no shared library (it " + what + "); build the application as a CMake MODULE library");
  }
  if (!file.read(0, header) || header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_machine != kMachine) {
    return absl::InvalidArgumentError(path + " was built for another kind of machine; build it on this one");
  }
  return absl::OkStatus();
}

constexpr std::size_t kMostNotes = 4096;  // sections of a hostile file may lie over each other

// One for each SLUICE_APPLICATION.
std::vector<AbiNote> readNotes(const MappedFile& file, const Elf64_Ehdr& header) {
  std::vector<AbiNote> notes;
  Elf64_Shdr names{};
  if (!file.read(header.e_shoff + std::uint64_t(header.e_shstrndx) * sizeof(Elf64_Shdr), names)) return notes;
  static constexpr char kSection[] = ".note.sluice";
  for (std::uint32_t i = 0; i < header.e_shnum; ++i) {
    Elf64_Shdr section{};
    char name[sizeof(kSection)] = {};
    if (!file.read(header.e_shoff + std::uint64_t(i) * sizeof(Elf64_Shdr), section)) break;
    if (!file.read(names.sh_offset + section.sh_name, name) || std::memcmp(name, kSection, sizeof(kSection)) != 0) continue;
    AbiNote note;
    for (std::uint64_t at = 0; notes.size() < kMostNotes && at + sizeof(note) <= section.sh_size && file.read(section.sh_offset + at, note); at += sizeof(note)) {
      notes.push_back(note);
    }
  }
  return notes;
}

const char* sanitizerName(std::uint32_t sanitizer) {
  return sanitizer == 1 ? "AddressSanitizer" : sanitizer == 2 ? "ThreadSanitizer" : "no sanitizer";
}

// What does not fit between the note and this build; empty: it fits.
std::string mismatch(const AbiNote& theirs) {
  const AbiNote ours;
  if (theirs.nameSize != ours.nameSize || theirs.type != ours.type || std::memcmp(theirs.name, ours.name, sizeof(ours.name)) != 0 ||
      theirs.abi != ours.abi || theirs.bodySize != ours.bodySize) {
    return "for another version of Sluice (its ABI is " + std::to_string(theirs.abi) + ", this one's " + std::to_string(ours.abi) + ")";
  }
  if (theirs.sanitizer != ours.sanitizer) {
    return std::string("with ") + sanitizerName(theirs.sanitizer) + ", this Sluice with " + sanitizerName(ours.sanitizer);
  }
  if (theirs.cxx11Strings != ours.cxx11Strings) {
    return "with _GLIBCXX_USE_CXX11_ABI=" + std::to_string(theirs.cxx11Strings) + ", this Sluice with " + std::to_string(ours.cxx11Strings);
  }
  if (theirs.debugContainers != ours.debugContainers) {
    return theirs.debugContainers ? "with _GLIBCXX_DEBUG, this Sluice without" : "without _GLIBCXX_DEBUG, this Sluice with it";
  }
  return theirs.pointerBits == ours.pointerBits ? "" : "for another pointer size";
}

}  // namespace

absl::Status checkModuleFile(const std::string& path) {
  MappedFile file;
  Elf64_Ehdr header{};
  if (auto status = file.open(path); !status.ok()) return status;
  if (auto status = readHeader(file, path, header); !status.ok()) return status;
  if (header.e_type != ET_DYN) {
    return absl::InvalidArgumentError(path + " is no shared library; build the application as a CMake MODULE library");
  }
  auto notes = readNotes(file, header);
  if (notes.empty()) {
    return absl::InvalidArgumentError(path + " is a shared library, but holds no application: write SLUICE_APPLICATION(Name) { … } in it");
  }
  for (const auto& note : notes) {
    if (auto what = mismatch(note); !what.empty()) return absl::InvalidArgumentError(path + " was built " + what + "; build it again");
  }
  return absl::OkStatus();
}

bool isLibraryFile(const std::string& path) {
  MappedFile file;
  Elf64_Ehdr header{};
  return file.open(path).ok() && readHeader(file, path, header).ok() && header.e_type == ET_DYN && !isExecutableFile(path);
}

bool isExecutableFile(const std::string& path) {
  MappedFile file;
  Elf64_Ehdr header{};
  if (!file.open(path).ok() || !readHeader(file, path, header).ok()) return false;
  if (header.e_type == ET_EXEC) return true;
  for (std::uint32_t i = 0; i < header.e_phnum; ++i) {  // a position-independent executable names its loader
    Elf64_Phdr segment{};
    if (file.read(header.e_phoff + std::uint64_t(i) * sizeof(Elf64_Phdr), segment) && segment.p_type == PT_INTERP) return true;
  }
  return false;
}

}  // namespace sluice
